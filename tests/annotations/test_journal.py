from __future__ import annotations

import os

import numpy as np
import pytest

from napari_densify.annotations.chunks import ChunkGrid
from napari_densify.annotations.journal import Journal


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal", grid=ChunkGrid((4, 40, 40), 16), dtype=np.dtype(np.uint8))


def chunk(value, shape=(1, 16, 16)):
    return np.full(shape, value, np.uint8)


def test_the_newest_content_of_each_chunk_is_read_back(journal):
    journal.append({(0, 0, 0): chunk(1), (0, 2, 2): chunk(2, (1, 8, 8))})
    journal.append({(0, 0, 0): chunk(3)})
    content = journal.read()
    assert sorted(content) == [(0, 0, 0), (0, 2, 2)]
    np.testing.assert_array_equal(content[0, 0, 0], chunk(3))
    np.testing.assert_array_equal(content[0, 2, 2], chunk(2, (1, 8, 8)))


def test_a_journal_cut_anywhere_replays_whole_batches_only(journal):
    journal.append({(0, 0, 0): chunk(1)})
    first = journal.size()
    journal.append({(0, 0, 0): chunk(2), (1, 0, 0): chunk(2)})
    content = journal.path.read_bytes()
    for end in range(len(content)):
        journal.path.write_bytes(content[:end])
        values = {index: int(c.max()) for index, c in journal.read().items()}
        assert values == ({} if end < first else {(0, 0, 0): 1})


def test_a_flipped_bit_is_not_read_as_data(journal):
    journal.append({(0, 0, 0): chunk(1)})
    content = bytearray(journal.path.read_bytes())
    for at in range(len(content)):
        damaged = content.copy()
        damaged[at] ^= 1
        journal.path.write_bytes(damaged)
        assert journal.read() == {}


def test_a_batch_that_found_no_room_leaves_the_others(journal, monkeypatch):
    journal.append({(0, 0, 0): chunk(1)})
    write = os.write

    def half(descriptor, content):
        if len(content) > 40:
            return write(descriptor, content[:40])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            journal.append({(1, 0, 0): np.arange(256, dtype=np.uint8).reshape(1, 16, 16)})
    journal.append({(2, 0, 0): chunk(5)})
    assert sorted(journal.read()) == [(0, 0, 0), (2, 0, 0)]


def test_a_cleared_journal_is_empty(journal):
    journal.append({(0, 0, 0): chunk(1)})
    journal.clear()
    assert journal.read() == {}
    assert journal.size() == 0


def test_rotated_records_are_read_before_newer_ones_until_they_are_dropped(journal):
    journal.append({(0, 0, 0): chunk(1), (1, 0, 0): chunk(1)})
    journal.rotate()
    assert journal.size() == 0
    journal.append({(0, 0, 0): chunk(2)})
    assert {i: int(c.max()) for i, c in journal.read().items()} == {(0, 0, 0): 2, (1, 0, 0): 1}
    journal.drop_older()
    assert {i: int(c.max()) for i, c in journal.read().items()} == {(0, 0, 0): 2}
    journal.rotate()
    journal.clear()
    assert journal.read() == {}


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_what_a_kill_has_torn_hides_nothing_that_comes_later(journal, cut):
    journal.append({(0, 0, 0): chunk(1)})
    whole = journal.size()
    journal.append({(1, 0, 0): chunk(2)})
    torn = journal.path.read_bytes()[: whole + cut]
    journal.path.write_bytes(torn)
    journal.mend()
    journal.append({(2, 0, 0): chunk(3)})
    assert {i: int(c.max()) for i, c in journal.read().items()} == {(0, 0, 0): 1, (2, 0, 0): 3}
