"""The engine as the viewer meets it: another process, two pipes."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest


def test_prints_of_libraries_do_not_reach_the_protocol(engine):
    engine.ask("noisy")
    events = engine.until("done", "failed")
    assert [e.kind for e in events] == ["started", "log", "done"]
    assert events[1].message == "größer als µ"
    output, errors = engine.end()
    assert output == b""
    printed = errors.decode()
    for text in ("print from Python", "past sys.stdout", "to descriptor 1", "from a child process"):
        assert text in printed
    if sys.platform != "win32":
        assert "from C" in printed


def test_libraries_cannot_take_requests_away(engine):
    engine.ask("reads-input")
    assert engine.until("done", "failed")[-1].result == {"read": ""}


@pytest.mark.parametrize("method", ["counting", "stuck"])
def test_end_of_stdin_ends_it_within_two_seconds(engine, method):
    engine.ask(method)
    engine.until("progress")
    start = time.monotonic()
    engine.end()
    assert time.monotonic() - start < 2.0
    assert engine.process.returncode == 0


def test_end_of_stdin_ends_an_idle_engine_at_once(engine):
    start = time.monotonic()
    engine.end()
    assert time.monotonic() - start < 1.0


def test_an_engine_without_anything_to_do_ends_and_says_so(engine):
    engine.send('{"kind": "rest", "minutes": 0.002}')
    notice = engine.until("notice")[-1]
    assert "memory is free" in notice.message
    assert engine.process.wait(timeout=5) == 0


def test_an_engine_at_work_does_not_rest(engine):
    engine.send('{"kind": "rest", "minutes": 0.0005}')
    engine.ask("counting")
    for _ in range(200):
        engine.until("progress")
    assert engine.process.poll() is None


def test_vanished_reader_of_the_events_ends_it(engine):
    engine.ask("counting")
    engine.until("progress")
    engine.process.stdout.close()
    assert engine.process.wait(timeout=5) == 0


def test_shutdown_ends_it(engine):
    engine.ask("counting")
    engine.until("progress")
    engine.send('{"kind": "shutdown"}')
    assert engine.until("done", "failed")[-1].stopped
    assert engine.process.wait(timeout=5) == 0


@pytest.mark.parametrize(
    ("line", "job"),
    [
        ("not json", ""),
        ("[1, 2]", ""),
        ('{"kind": "nonsense", "job": "x7"}', "x7"),
        ('{"kind": "classical", "job": "x8", "method": "otsu"}', "x8"),
        ('{"kind": "info", "job": 3, "image": "a"}', ""),
        ("\xff\x00", ""),
    ],
)
def test_malformed_line_is_answered_and_the_next_job_runs(engine, line, job):
    engine.send(line)
    answer = engine.event()
    assert (answer.kind, answer.job, answer.fault) == ("failed", job, False)
    assert "not understood" in answer.message
    engine.ask("noisy", "b")
    assert [e.job for e in engine.until("done", "failed")] == ["b", "b", "b"]


@pytest.mark.parametrize(("method", "fault"), [("refused", False), ("broken", True)])
def test_failed_job_leaves_nothing_for_the_next(engine, method, fault):
    engine.ask(method, "first")
    failed = engine.until("done", "failed")[-1]
    assert (failed.job, failed.fault) == ("first", fault)
    assert bool(failed.traceback) is fault
    assert "\n" not in failed.message
    engine.send('{"kind": "cancel", "job": "first"}')  # comes too late
    engine.ask("noisy", "second")
    events = engine.until("done", "failed")
    assert {e.job for e in events} == {"second"}
    assert events[-1].kind == "done"
    assert not events[-1].stopped


def test_cancel_stops_the_running_job_and_keeps_its_result(engine):
    engine.ask("counting")
    engine.until("progress")
    engine.send('{"kind": "cancel", "job": "a"}')
    done = engine.until("done", "failed")[-1]
    assert done.stopped
    assert done.result["steps"] >= 1


def test_cancel_of_a_queued_job_spares_the_running_one(engine):
    engine.ask("counting", "running")
    engine.until("progress")
    engine.ask("noisy", "queued")
    engine.send('{"kind": "cancel", "job": "queued"}')
    done = engine.until("done", "failed")[-1]
    assert (done.job, done.stopped, done.result) == ("queued", True, {})
    assert engine.until("progress")[-1].job == "running"


def test_cancel_of_all(engine):
    engine.ask("counting", "one")
    engine.ask("noisy", "two")
    engine.until("progress")
    engine.send('{"kind": "cancel"}')
    ends = [engine.until("done", "failed")[-1], engine.until("done", "failed")[-1]]
    assert {e.job for e in ends} == {"one", "two"}
    assert all(e.stopped for e in ends)


def test_pause_holds_still_until_resume(engine):
    engine.ask("counting")
    engine.until("progress")
    engine.send('{"kind": "pause"}')
    engine.send("ping")  # answered after the pause was heard
    engine.until("failed")
    # While paused only answers to messages come, however often one asks.
    for _ in range(3):
        engine.send("ping")
        assert engine.event().kind == "failed"
    engine.send('{"kind": "resume"}')
    assert engine.until("progress")[-1].kind == "progress"


def test_paused_job_can_be_cancelled(engine):
    engine.ask("counting")
    engine.until("progress")
    engine.send('{"kind": "pause"}')
    engine.send('{"kind": "cancel", "job": "a"}')
    assert engine.until("done", "failed")[-1].stopped


def test_pause_without_a_job_does_not_hold_the_next_one(engine):
    engine.send('{"kind": "pause"}')
    engine.ask("noisy")
    assert engine.until("done", "failed")[-1].kind == "done"


def test_view_and_strokes_reach_the_job(engine):
    engine.send('{"kind": "view", "region": [[4, 5], [0, 9], [0, 9]], "generation": 7}')
    engine.ask("counting")
    assert "[4, 0, 0] 7 0" in [e.message for e in engine.until("notice") if e.kind == "notice"]
    engine.send('{"kind": "strokes", "regions": [[[0, 1], [0, 2], [0, 3]]]}')
    engine.send('{"kind": "view", "region": null, "generation": 8}')
    seen = {engine.until("notice")[-1].message for _ in range(2)}
    while "None 8 0" not in seen:
        seen.add(engine.until("notice")[-1].message)
    assert any(message.endswith(" 1") for message in seen)


def test_strokes_of_before_do_not_reach_the_next_job(engine):
    engine.send('{"kind": "strokes", "regions": [[[0, 1], [0, 2], [0, 3]]]}')
    engine.ask("counting")
    assert engine.until("notice")[-1].message == "None 0 0"


def test_odd_results_are_sent_as_valid_json(engine):
    engine.ask("unserialisable")
    engine.event()
    line = engine.process.stdout.readline()
    result = json.loads(line, parse_constant=pytest.fail)["result"]
    assert result["array"] == [0, 1]
    assert result["nan"] == "NaN"


@pytest.mark.skipif(sys.platform == "win32", reason="niceness is POSIX's")
def test_runs_at_low_priority(engine):
    assert os.getpriority(os.PRIO_PROCESS, engine.process.pid) > os.getpriority(os.PRIO_PROCESS, 0)


def test_light_engine_never_loads_torch(start):
    code = (
        "import sys; from napari_densify.engine import process;"
        "process.Engine.serve = lambda self: sys.stderr.write(repr(sorted(sys.modules)));"
        "process.main(light=True)"
    )
    engine = start("-c", code)
    assert engine.event().device == "cpu"
    _, errors = engine.end()
    assert "'numpy'" in errors.decode()
    for name in ("torch", "sklearn", "napari", "qtpy"):
        assert f"'{name}'" not in errors.decode()


def test_real_engine_names_its_devices(start):
    engine = start("-m", "napari_densify.engine")
    ready = engine.event()
    assert ready.kind == "ready"
    assert ready.devices[-1] == "cpu"
    assert ready.device
    engine.send('{"kind": "info", "job": "i", "image": "/no/such/größe.tif"}')
    failed = engine.until("failed")[-1]
    assert (failed.job, failed.fault) == ("i", False)
    assert "größe" in failed.message
