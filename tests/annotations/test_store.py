from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest

from napari_densify.annotations import AnnotationStore, ArrayAnnotations
from napari_densify.core.errors import InputError

SHAPE = (5, 70, 90)
ALL = tuple(slice(0, n) for n in SHAPE)


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "Größe und Übung"
    folder.mkdir()
    return folder / "annotations.zarr"


@pytest.fixture
def store(path):
    return AnnotationStore.create(path, shape=SHAPE, edge=32)


@pytest.fixture
def labels(rng):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 10:50, 20:80] = 1
    labels[3, 40:60, 5:30] = rng.integers(0, 3, (20, 25))
    return labels


def chunk_names(path):
    return sorted(f.name for f in path.iterdir() if f.name.startswith("c."))


def test_what_is_written_is_read_back_after_reopening(store, path, labels):
    store.write(ALL, labels)
    store.close()
    for read_only in (True, False):
        again = AnnotationStore(path, read_only=read_only)
        np.testing.assert_array_equal(again.read(ALL), labels)
        box = (slice(1, 4), slice(33, 69), slice(7, 40))
        np.testing.assert_array_equal(again.read(box), labels[box])
        truth = ArrayAnnotations(labels)
        assert again.counts() == truth.counts()
        assert again.slice_counts() == truth.slice_counts()


def test_boxes_cover_the_paint(store, labels):
    store.write(ALL, labels)
    covered = np.zeros(SHAPE, bool)
    for box in store.painted_boxes():
        covered[box] = True
    assert covered[labels > 0].all()
    assert not covered[[0, 2, 4]].any()


def test_only_painted_chunks_have_files(store, path):
    assert chunk_names(path) == []
    region = (slice(2, 3), slice(0, 10), slice(40, 50))
    store.write(region, np.ones((1, 10, 10), np.uint8))
    assert chunk_names(path) == ["c.2.0.1"]
    store.write(region, np.zeros((1, 10, 10), np.uint8))
    assert chunk_names(path) == []
    assert store.counts() == {}


def test_huge_volumes_cost_nothing(tmp_path):
    store = AnnotationStore.create(tmp_path / "huge.zarr", shape=(20000, 10000, 10000))
    corner = (slice(19999, 20000), slice(9990, 10000), slice(9990, 10000))
    store.write(corner, np.full((1, 10, 10), 2, np.uint8))
    store.close()
    again = AnnotationStore(tmp_path / "huge.zarr", read_only=True)
    assert again.painted_boxes() == [corner]
    assert again.slice_counts() == {19999: {2: 100}}
    assert sum(f.stat().st_size for f in again.path.iterdir() if f.is_file()) < 4096


def test_opening_reads_only_chunks_that_changed_since_the_counts_were_saved(
    store, path, labels, monkeypatch
):
    store.write(ALL, labels)
    store.close()
    other = AnnotationStore(path)
    other.write((slice(1, 2), slice(0, 1), slice(0, 1)), np.full((1, 1, 1), 2, np.uint8))
    read: list[object] = []
    original = AnnotationStore.read_chunk

    def counting(self, index):
        read.append(index)
        return original(self, index)

    monkeypatch.setattr(AnnotationStore, "read_chunk", counting)
    again = AnnotationStore(path, read_only=True)
    assert read == [(1, 0, 0)]
    labels[1, 0, 0] = 2
    assert again.counts() == ArrayAnnotations(labels).counts()


@pytest.mark.parametrize("content", ["", "[1, 2]", '[[[0,0,0],[1,1,1],[[1,"a"]],[0,1,0,1]]]', "{}"])
def test_damaged_counts_are_counted_again(store, path, labels, content):
    store.write(ALL, labels)
    store.close()
    (path / ".densify" / "counts.json").write_text(content)
    assert AnnotationStore(path).counts() == ArrayAnnotations(labels).counts()


def test_a_reader_sees_what_is_painted_and_erased_meanwhile(store, path):
    reader = AnnotationStore(path, read_only=True)
    box = (slice(2, 3), slice(3, 9), slice(4, 8))
    store.write(box, np.full((1, 6, 4), 2, np.uint8))
    assert reader.slice_counts() == {2: {2: 24}}
    assert reader.painted_boxes() == [box]
    assert reader.read(box).min() == 2
    store.write(box, np.zeros((1, 6, 4), np.uint8))
    assert reader.counts() == {}
    assert reader.read(box).max() == 0


def test_a_kill_between_journal_and_chunks_is_made_good(store, path, labels, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(first, chunks):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store._files, "write_row", kill)
        with pytest.raises(Killed):
            store.write((slice(1, 2), *ALL[1:]), labels[1:2])
    assert chunk_names(path) == []
    again = AnnotationStore(path)
    np.testing.assert_array_equal(again.read(ALL)[1], labels[1])
    assert again.counts() == {1: 2400}


def test_journalled_chunks_are_written_when_there_is_room_again(store, path, labels, monkeypatch):
    def full(first, chunks):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store._files, "write_row", full)
        with pytest.raises(OSError, match="No space"):
            store.write((slice(1, 2), *ALL[1:]), labels[1:2])
        size = store._journal.size()
        with pytest.raises(OSError, match="No space"):
            store.write((slice(1, 2), *ALL[1:]), labels[1:2])
        assert store._journal.size() == size, "a retry fills the disk further"
    np.testing.assert_array_equal(store.read(ALL)[1], labels[1])
    store.close()
    np.testing.assert_array_equal(AnnotationStore(path, read_only=True).read(ALL)[1], labels[1])


def test_a_disk_that_is_still_full_on_reopening_loses_nothing(store, path, labels, monkeypatch):
    def full(self, first, chunks):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("napari_densify.annotations.chunk_files.ChunkFiles.write_row", full)
        with pytest.raises(OSError, match="No space"):
            store.write((slice(1, 2), *ALL[1:]), labels[1:2])
        again = AnnotationStore(path)
        np.testing.assert_array_equal(again.read(ALL)[1], labels[1])
        assert again.counts() == {1: 2400}
    AnnotationStore(path).close()
    np.testing.assert_array_equal(AnnotationStore(path, read_only=True).read(ALL)[1], labels[1])


def test_the_journal_is_kept_short(store, path, rng, monkeypatch):
    monkeypatch.setattr("napari_densify.annotations.outbox._JOURNAL_LIMIT", 5000)
    for value in range(1, 20):
        store.write_chunks({(0, 0, 0): rng.integers(0, value + 1, (1, 32, 32)).astype(np.uint8)})
        assert store._journal.size() < 7000


@pytest.mark.parametrize("content", [b"", b"garbage that is no zstd frame"])
def test_a_damaged_chunk_is_set_aside_and_never_read_as_data(store, path, labels, content):
    store.write(ALL, labels)
    store.close()
    (path / "c.1.0.1").write_bytes(content)
    reader = AnnotationStore(path, read_only=True)
    with pytest.raises(InputError, match=r"c\.1\.0\.1: damaged chunk"):
        reader.read(ALL)
    again = AnnotationStore(path)
    assert [f.read_bytes() for f in again.damaged] == [content]
    expected = labels.copy()
    expected[1, :32, 32:64] = 0
    np.testing.assert_array_equal(again.read(ALL), expected)
    assert again.counts() == ArrayAnnotations(expected).counts()


def test_leftovers_of_a_killed_writer_are_removed(store, path):
    (path / "c.0.0.0123.partial").write_bytes(b"half")
    AnnotationStore(path)
    assert not list(path.glob("*.partial"))


def test_a_snapshot_keeps_what_was_painted_then(store, path, labels, tmp_path):
    store.write(ALL, labels)
    store.snapshot(tmp_path / "snapshot.zarr")
    store.write(ALL, np.zeros(SHAPE, np.uint8))
    kept = AnnotationStore(tmp_path / "snapshot.zarr", read_only=True)
    np.testing.assert_array_equal(kept.read(ALL), labels)
    assert store.counts() == {}


def test_other_arrays_are_refused(tmp_path):
    with pytest.raises(InputError, match="no annotations can be read here"):
        AnnotationStore(tmp_path / "missing.zarr")
    AnnotationStore.create(tmp_path / "twice.zarr", shape=(1, 2, 3))
    with pytest.raises(InputError, match="an array stands here already"):
        AnnotationStore.create(tmp_path / "twice.zarr", shape=(1, 2, 3))


def _write_forever(path, stop):
    store = AnnotationStore(path)
    value = 0
    while not stop.is_set():
        value = value % 200 + 1
        store.write_chunks({(0, 0, 0): np.full((1, 256, 256), value, np.uint8)})
    store.close()


def test_a_reader_in_another_process_never_sees_half_a_chunk(tmp_path):
    path = tmp_path / "a.zarr"
    AnnotationStore.create(path, shape=(1, 256, 256)).close()
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    writer = context.Process(target=_write_forever, args=(path, stop))
    writer.start()
    try:
        reader = AnnotationStore(path, read_only=True)
        seen: set[int] = set()
        patience = threading.Event()
        while len(seen) < 30 and writer.is_alive():
            chunk = reader.read_chunk((0, 0, 0))
            assert chunk.min() == chunk.max(), "torn chunk"
            seen.add(int(chunk.max()))
            counts = reader.counts()
            assert sum(counts.values()) in (0, 65536), counts
            patience.wait(0.001)
    finally:
        stop.set()
        writer.join(30)
    assert writer.exitcode == 0
    assert len(seen) >= 30


def test_what_a_power_cut_took_is_read_from_the_journal(store, path, labels):
    store.write(ALL, labels)
    (path / "c.1.0.1").write_bytes(b"")
    np.testing.assert_array_equal(AnnotationStore(path, read_only=True).read(ALL), labels)
    again = AnnotationStore(path)
    np.testing.assert_array_equal(again.read(ALL), labels)
    assert again.damaged == []


def test_a_file_that_another_process_holds_is_tried_again(store, path, labels, monkeypatch):
    """Windows refuses to replace or open a file while another process has it open."""
    refusals = iter([PermissionError(13, "Access is denied")] * 3)
    rename, read = Path.replace, Path.read_bytes

    def held(act):
        def once(self, *arguments):
            if self.parent == path and self.name.startswith("c."):
                for refusal in refusals:
                    raise refusal
            return act(self, *arguments)

        return once

    monkeypatch.setattr(Path, "replace", held(rename))
    store.write(ALL, labels)
    assert next(refusals, None) is None, "nothing was refused"
    refusals = iter([PermissionError(13, "Access is denied")] * 3)
    monkeypatch.setattr(Path, "read_bytes", held(read))
    np.testing.assert_array_equal(store.read(ALL), labels)
    assert next(refusals, None) is None, "nothing was refused"
