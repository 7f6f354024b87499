from __future__ import annotations

import gc
import threading
from typing import ClassVar

import pytest

from napari_densify.plugin import garbage
from napari_densify.plugin.garbage import GuiThreadCollector


class Cycle:
    """Garbage that only the collector can find, and that notes the thread it dies on."""

    died_on: ClassVar[list[threading.Thread]] = []

    def __init__(self):
        self.myself = self

    def __del__(self):
        self.died_on.append(threading.current_thread())


def make_garbage():
    for _ in range(20_000):
        Cycle()


@pytest.fixture
def collector(qapp, monkeypatch):
    monkeypatch.setattr(garbage, "INTERVAL_MS", 20)
    gc.collect()
    Cycle.died_on.clear()
    made = GuiThreadCollector()
    yield made
    made.release()


def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_without_it_garbage_dies_on_the_thread_that_allocates(qapp):
    Cycle.died_on.clear()
    in_a_thread(make_garbage)
    assert any(thread is not threading.main_thread() for thread in Cycle.died_on)


def test_garbage_of_a_thread_dies_on_the_thread_of_the_viewer(collector, qtbot):
    in_a_thread(make_garbage)
    assert not Cycle.died_on
    qtbot.waitUntil(lambda: len(Cycle.died_on) == 20_000)
    assert set(Cycle.died_on) == {threading.main_thread()}


def test_the_last_one_gives_collection_back_to_python(collector):
    other = GuiThreadCollector()
    collector.release()
    assert not gc.isenabled()
    other.release()
    other.release()
    assert gc.isenabled()


def test_who_has_switched_it_off_is_left_alone(qapp):
    gc.disable()
    try:
        GuiThreadCollector().release()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_full_collection_waits_for_a_quarter_more(collector, monkeypatch):
    asked = []
    monkeypatch.setattr(garbage.gc, "get_count", lambda: (1, 1, 11))
    monkeypatch.setattr(garbage.gc, "get_threshold", lambda: (700, 10, 10))
    monkeypatch.setattr(garbage.gc, "collect", asked.append)
    blocks = garbage.sys.getallocatedblocks()
    for held in (blocks, blocks * 2, blocks * 2):
        monkeypatch.setattr(garbage.sys, "getallocatedblocks", lambda held=held: held)
        collector.collect_due()
    assert asked == [2]
