from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_densify.annotations.chunk_files import ChunkFiles, create_array
from napari_densify.annotations.journal import Journal
from napari_densify.annotations.outbox import Outbox, Syncer


def chunk(value):
    return np.full((1, 16, 16), value, np.uint8)


@pytest.fixture
def parts(tmp_path):
    create_array(tmp_path / "a.zarr", shape=(4, 16, 16), dtype=np.uint8, edge=16)
    files = ChunkFiles(tmp_path / "a.zarr", read_only=False)
    journal = Journal(tmp_path / "journal", grid=files.grid, dtype=files.dtype)
    written = []
    return Outbox(files, journal, lambda index, _: written.append(index)), files, journal, written


def test_what_fails_to_sync_is_appended_again(parts, monkeypatch):
    outbox, files, journal, written = parts
    outbox.put({(0, 0, 0): chunk(1)})
    size = journal.size()

    def fail(journal):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "sync", fail)
        with pytest.raises(OSError, match="Input/output"):
            outbox.write_some()
    assert journal.size() == 2 * size
    assert written == []
    assert outbox.write_some() == written == [(0, 0, 0)]
    np.testing.assert_array_equal(files.read((0, 0, 0)), chunk(1))
    assert not outbox.pending


def test_a_chunk_that_changes_while_the_journal_syncs_is_written_twice(parts, monkeypatch):
    outbox, files, _, written = parts
    go = threading.Event()
    monkeypatch.setattr(Journal, "sync", lambda journal: go.wait(10))
    outbox.put({(0, 0, 0): chunk(1)})
    assert outbox.write_some(0.0) == []
    outbox.put({(0, 0, 0): chunk(2), (1, 0, 0): chunk(3)})
    go.set()
    assert outbox.write_some() == [(0, 0, 0)]
    assert outbox.pending.keys() == {(0, 0, 0), (1, 0, 0)}
    while outbox.pending:
        outbox.write_some()
    assert written == [(0, 0, 0), (0, 0, 0), (1, 0, 0)]
    np.testing.assert_array_equal(files.read((0, 0, 0)), chunk(2))


def test_a_syncer_tells_an_error_once():
    def fail():
        raise OSError(28, "No space left on device")

    syncer = Syncer()
    syncer.begin(fail)
    with pytest.raises(OSError, match="No space"):
        syncer.wait()
    assert syncer.wait()
    assert not syncer.busy
