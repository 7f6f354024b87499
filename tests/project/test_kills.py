"""Kill -9 in random moments; ``benchmarks/kill_project.py`` runs the same 500 times."""

from __future__ import annotations

import os

import numpy as np
import pytest

kill_project = pytest.importorskip("benchmarks.kill_project")
BOX = (0, slice(0, 256), slice(0, 256))


def ledger_of(*strokes):
    return kill_project.Ledger(
        strokes=[
            (moment, (slice(0, 1), slice(0, rows), slice(0, 10)), value)
            for moment, rows, value in strokes
        ]
    )


def states(*strokes):
    state = np.zeros(kill_project.SHAPE, np.uint8)
    for _, rows, value in strokes:
        state[0, :rows, :10] = value
    return state


@pytest.mark.parametrize(
    ("kept", "age"), [(3, 0.0), (2, 1.0), (1, 2.0), (0, 5.0)], ids=["all", "2", "1", "none"]
)
def test_the_check_sees_what_is_lost(kept, age):
    strokes = [(5.0, 20, 1), (8.0, 10, 2), (9.0, 30, 3)]
    before = states()
    found = states(*strokes[:kept])[BOX]
    assert kill_project.age_of_loss(found, before, BOX, ledger_of(*strokes), 10.0) == age


def test_the_check_sees_half_a_stroke():
    strokes = [(5.0, 20, 1)]
    found = states(*strokes)[BOX]
    found[15:] = 0
    assert kill_project.age_of_loss(found, states(), BOX, ledger_of(*strokes), 10.0) is None


def test_what_was_lost_stands_in_the_table():
    lost = kill_project.Report(kills=3, strokes=9, oldest_lost_s=1.5, failures=["kill 2: torn"])
    text = kill_project.table(lost, wanted=5)
    assert "| kill -9 | 3 of 5 " in text
    assert "| failures | 1 |" in text
    assert "kill 2: torn" in text


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_ten_kills_lose_nothing_but_the_newest_strokes(tmp_path):
    # On a machine with much else to do the writer may not get its turn within a second.
    report = kill_project.run(tmp_path, kills=10, seed=1, longest_s=2.0, grace_s=1.5)
    assert report.failures == []
    assert report.kills == 10
    assert report.strokes > 100


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_kills_while_an_engine_trains_and_predicts(tmp_path):
    kill_engine = pytest.importorskip("benchmarks.kill_engine")
    report = kill_engine.run(tmp_path, kills=4, seed=1, grace_s=1.5)
    assert report.failures == []
    assert report.during.keys() == {"train", "predict"}
