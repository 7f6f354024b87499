from __future__ import annotations

import copy
import subprocess
import sys
import threading

import numpy as np
import pytest

from napari_densify.annotations import AnnotationStore, ArrayAnnotations, PaintedArray
from napari_densify.annotations import cache as cache_module
from napari_densify.annotations import painted as painted_module
from napari_densify.annotations.journal import Journal
from napari_densify.core.errors import InputError

SHAPE = (6, 100, 120)
NEVER = 3600.0  # seconds: nothing is written but by flush()


@pytest.fixture
def path(tmp_path):
    AnnotationStore.create(tmp_path / "a.zarr", shape=SHAPE, edge=32)
    return tmp_path / "a.zarr"


@pytest.fixture
def painted(path):
    array = PaintedArray(AnnotationStore(path), interval_s=NEVER)
    yield array
    array.close()


def on_disk(path):
    return AnnotationStore(path, read_only=True).read(tuple(slice(0, n) for n in SHAPE))


def random_key(rng):
    a, b = sorted(rng.integers(0, 101, 2))
    c, d = sorted(rng.integers(0, 121, 2))
    z = int(rng.integers(0, 6))
    points = tuple(rng.integers(0, n, 30) for n in SHAPE)
    keys = [
        (z, slice(a, b), slice(c, d)), (slice(z, z + 1), slice(a, b), slice(c, d)),
        points, (z, points[1], points[2]), (slice(0, z), a % 100), (z, c % 100, d % 120),
        (Ellipsis, slice(d, c, -2)), rng.random(SHAPE) < 0.001,
    ]  # fmt: skip
    return keys[rng.integers(len(keys))]


@pytest.mark.parametrize("large_box", [2**24, 0], ids=["boxes", "points"])
def test_it_behaves_like_a_numpy_array(painted, path, rng, monkeypatch, large_box):
    monkeypatch.setattr(painted_module, "_LARGE_BOX", large_box)
    mirror = np.zeros(SHAPE, np.uint8)
    for step in range(150):
        key, value = random_key(rng), int(rng.integers(0, 4))
        painted[key] = value
        mirror[key] = value
        key = random_key(rng)
        np.testing.assert_array_equal(painted[key], mirror[key])
        assert painted[key].shape == mirror[key].shape
        if step % 40 == 0:
            painted.flush()
    truth = ArrayAnnotations(mirror)
    assert painted.counts() == truth.counts()
    assert painted.slice_counts() == truth.slice_counts()
    assert painted.max() == mirror.max()
    np.testing.assert_array_equal(np.asarray(painted), mirror)
    painted.flush()
    np.testing.assert_array_equal(on_disk(path), mirror)


def test_assigned_arrays_arrive(painted, rng):
    block = rng.integers(0, 3, (2, 50, 60)).astype(np.uint8)
    painted[1:3, 20:70, 30:90] = block
    painted[4] = block[0, 0, 0]
    np.testing.assert_array_equal(painted[1:3, 20:70, 30:90], block)
    assert painted.counts() == ArrayAnnotations(np.asarray(painted)).counts()


def test_what_is_read_is_a_copy(painted):
    painted[0, 0, 0] = 1
    painted[0][:] = 2
    assert painted.counts() == {1: 1}


def test_it_is_an_array_to_numpy(painted):
    painted[1, 2, 3] = 2
    assert (painted.shape, painted.ndim, painted.dtype, len(painted)) == (SHAPE, 3, np.uint8, 6)
    assert painted.size == painted.nbytes == np.prod(SHAPE)
    assert (painted == 2).sum() == 1
    assert (np.zeros(SHAPE, np.uint8) + painted).max() == 2
    assert isinstance(copy.deepcopy(painted), np.ndarray)
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(painted, copy=False)
    with pytest.raises(OverflowError):
        painted[0, 0, 0] = 256


def test_strokes_are_written_in_the_background(path):
    flushed = threading.Event()
    regions = []

    def on_flushed(written):
        regions.extend(written)
        flushed.set()

    array = PaintedArray(AnnotationStore(path), on_flushed=on_flushed)
    array[2, 10:40, 5] = 1
    assert array.unsaved == 2
    assert flushed.wait(10)
    assert regions == [
        (slice(2, 3), slice(0, 32), slice(0, 32)),
        (slice(2, 3), slice(32, 64), slice(0, 32)),
    ]
    assert array.unsaved == 0
    assert on_disk(path)[2, 10:40, 5].all()
    array.close()


def test_closing_writes_what_is_unsaved(path):
    array = PaintedArray(AnnotationStore(path), interval_s=NEVER)
    array[5, 99, 119] = 2
    assert on_disk(path).max() == 0
    array.close()
    assert on_disk(path)[5, 99, 119] == 2


LEAVE = """
import sys
from napari_densify.annotations import AnnotationStore, PaintedArray
array = PaintedArray(AnnotationStore(sys.argv[1]), interval_s=3600)
array[5, 99, 119] = 2
"""


def test_a_program_that_ends_without_closing_loses_nothing(path):
    done = subprocess.run(
        [sys.executable, "-c", LEAVE, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert AnnotationStore(path).counts() == {2: 1}


def test_setting_what_is_there_already_writes_nothing(painted):
    painted[1, :50] = 1
    painted.flush()
    painted[1, :50] = 1
    painted[2] = 0
    assert painted.unsaved == 0


def test_little_is_kept_in_memory(path, monkeypatch, rng):
    monkeypatch.setattr(cache_module, "_CACHE_BYTES", 8 * 32 * 32)
    array = PaintedArray(AnnotationStore(path), interval_s=NEVER)
    mirror = np.zeros(SHAPE, np.uint8)
    for _ in range(12):
        key = random_key(rng)
        array[key] = mirror[key] = int(rng.integers(1, 4))
        array.flush()
        np.testing.assert_array_equal(array[key], mirror[key])
        array[0, 0, 0] = mirror[0, 0, 0] = rng.integers(0, 3)
        array.flush()
        assert array[5, 99, 119] == mirror[5, 99, 119]
    for z in range(6):  # nothing is unsaved: reading it all keeps to the limit
        assert array[z, 0, 0] == mirror[z, 0, 0]
        array[z, 64:, 64:]
        assert len(array._cache) <= 8
    np.testing.assert_array_equal(np.asarray(array), mirror)
    assert array.counts() == ArrayAnnotations(mirror).counts()
    array.close()
    np.testing.assert_array_equal(on_disk(path), mirror)


def test_a_full_disk_is_told_once_keeps_everything_and_is_overcome(path, monkeypatch):
    monkeypatch.setattr("napari_densify.annotations.background._RETRY_S", 0.01)
    store = AnnotationStore(path)
    attempts, errors, recovered = [], [], threading.Event()
    room, tried = threading.Event(), threading.Event()
    write = store.journal

    def limited(chunks):
        if not room.is_set():
            attempts.append(1)
            if len(attempts) >= 3:
                tried.set()
            raise OSError(28, "No space left on device")
        write(chunks)

    monkeypatch.setattr(store, "journal", limited)
    array = PaintedArray(store, interval_s=0.01, on_error=errors.append, on_recovered=recovered.set)
    array[1, :40, :40] = 1
    assert tried.wait(10)
    array[1, 5, 5] = 2
    with pytest.raises(InputError, match=r"cannot be saved \(No space left on device\); free some"):
        array.close()
    assert array.unsaved == 4
    assert array[1, 5, 5] == 2
    assert len(errors) == 1
    assert isinstance(errors[0], InputError)
    room.set()
    assert recovered.wait(10)
    array.close()
    assert on_disk(path)[1, 5, 5] == 2
    assert on_disk(path)[1, 39, 39] == 1


def test_a_listener_that_fails_loses_no_stroke(path, caplog):
    def broken(regions):
        raise RuntimeError("wrapped C++ object has been deleted")

    errors: list[Exception] = []
    array = PaintedArray(
        AnnotationStore(path), interval_s=NEVER, on_flushed=broken, on_error=errors.append
    )
    array[1, 1, 1] = 1
    array.close()
    assert on_disk(path)[1, 1, 1] == 1
    assert not errors
    assert "C++ object" in caplog.text


def test_what_is_painted_while_a_flush_is_under_way_is_written_too(path, monkeypatch):
    store = AnnotationStore(path)
    array = PaintedArray(store, interval_s=NEVER)
    write = store.journal

    def paint_meanwhile(chunks):
        if array[0, 0, 0] == 1:
            array[0, 0, 0] = 2
        write(chunks)

    monkeypatch.setattr(store, "journal", paint_meanwhile)
    array[0, 0, 0] = 1
    array.close()
    assert on_disk(path)[0, 0, 0] == 2


def test_what_is_closed_takes_no_stroke_that_would_be_lost(path):
    array = PaintedArray(AnnotationStore(path), interval_s=NEVER)
    array.close()
    array.close()
    with pytest.raises(InputError, match="are closed"):
        array[0, 0, 0] = 1


def test_a_read_only_store_is_not_painted_on(path, monkeypatch):
    monkeypatch.setattr("napari_densify.annotations.outbox._JOURNAL_LIMIT", 1)
    writer = AnnotationStore(path)
    writer.journal({(0, 0, 0): np.ones((1, 32, 32), np.uint8)})
    files = sorted(path.rglob("*"))
    array = PaintedArray(AnnotationStore(path, read_only=True))
    with pytest.raises(InputError, match="read-only"):
        array[0, 0, 0] = 1
    assert array[0, 0, 0] == 0
    array.close()
    assert sorted(path.rglob("*")) == files, "it meddled with the journal of the writer"


def test_terabytes_are_painted_on_like_megabytes(tmp_path):
    store = AnnotationStore.create(tmp_path / "huge.zarr", shape=(20000, 10000, 10000))
    array = PaintedArray(store, interval_s=NEVER)
    array[19999, 9990:, 9990:] = 2
    far = (np.array([0, 19999, 7]), np.array([0, 9999, 5000]), np.array([0, 9999, 1]))
    np.testing.assert_array_equal(array[far], [0, 2, 0])
    array[far] = 3
    assert array.counts() == {2: 99, 3: 3}
    assert array.painted_boxes()[-1] == (
        slice(19999, 20000),
        slice(9990, 10000),
        slice(9990, 10000),
    )
    array.close()


def test_strokes_do_not_wait_for_a_disk_that_is_slow_to_sync(path, monkeypatch):
    slow, begun = threading.Event(), threading.Event()
    sync = Journal.sync

    def wait(journal):
        begun.set()
        assert slow.wait(20)
        sync(journal)

    monkeypatch.setattr(Journal, "sync", wait)
    store = AnnotationStore(path)
    journalled = {value: threading.Event() for value in (1, 2)}
    append = Journal.append

    def told(journal, chunks):
        append(journal, chunks)
        journalled[int(next(iter(chunks.values()))[0, 0, 0])].set()

    monkeypatch.setattr(Journal, "append", told)
    array = PaintedArray(store, interval_s=0.01)
    array[0, 0, 0] = 1
    assert begun.wait(10)
    array[0, 0, 0] = 2
    assert journalled[2].wait(10), "the stroke waits for the disk"
    assert on_disk(path).max() == 0, "a power cut could tear this file"
    slow.set()
    array.close()
    assert on_disk(path)[0, 0, 0] == 2
