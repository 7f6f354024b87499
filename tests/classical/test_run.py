"""Pieces, stopping, memory."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from napari_densify.classical import METHODS, run, stream_method
from napari_densify.core.blocks import full_region
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.volume import Volume


class Virtual:
    """A volume of any size that is computed where it is read; remembers what was read."""

    def __init__(self, shape, dtype=np.uint8):
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.largest = 0

    def __getitem__(self, key):
        key = tuple(key) if isinstance(key, tuple) else (key, slice(None), slice(None))
        axes = [np.arange(n)[k] for n, k in zip(self.shape, key, strict=True)]
        # In single bytes: what is measured is the memory of the methods.
        z, y, x = (
            np.atleast_1d(a // n).astype(np.uint8) for a, n in zip(axes, (8, 64, 64), strict=True)
        )
        out = z[:, None, None] + y[None, :, None] + x
        out %= 2
        out *= 150
        out += 40
        out = out.astype(self.dtype, copy=False)
        self.largest = max(self.largest, out.size)
        return out if np.ndim(axes[0]) else out[0]


class Sparse(Virtual):
    """Paint on two slices of a virtual volume."""

    def __getitem__(self, key):
        region = key if isinstance(key, tuple) else (key, slice(None), slice(None))
        z = np.atleast_1d(np.arange(self.shape[0])[region[0]])
        shape = [
            len(z),
            *(len(range(*s.indices(n))) for s, n in zip(region[1:], self.shape[1:], strict=True)),
        ]
        out = np.zeros(shape, np.uint8)
        for i in np.flatnonzero(np.isin(z, (3, 900))):
            plane = np.zeros(self.shape[1:], np.uint8)
            plane[:64, :64], plane[:64, 64:128] = (1, 2) if z[i] == 3 else (2, 1)
            out[i] = plane[region[1:]]
        return out if np.ndim(np.arange(self.shape[0])[region[0]]) else out[0]


SLOW = [
    pytest.param(m.name, marks=() if m.name in ("threshold", "interpolation") else pytest.mark.slow)
    for m in METHODS.values()
    if m.blockwise
]
# Few iterations and trees: what is held in memory does not depend on them.
FEW = {
    "threshold": {"algorithm": "manual", "values": [100]},
    "chan_vese": {"iterations": 2},
    "geodesic_contour": {"iterations": 2},
    "snakes": {"iterations": 2},
    "random_forest": {"trees": 5, "stride": 4},
}


@pytest.mark.parametrize("name", SLOW)
def test_memory_stays_bounded_on_a_huge_volume(name):
    shape = (2048, 2048, 2048)
    tracemalloc.start()
    pieces = stream_method(
        name,
        Volume(Virtual(shape)),
        annotations=Sparse(shape),
        parameters=FEW.get(name, {}),
    )
    first = next(pieces)
    second = next(pieces) if name in ("threshold", "interpolation") else None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    pieces.close()
    assert first.total * first.labels.size == pytest.approx(2048**3)
    if second is not None:
        assert second.region[0].start == first.region[0].stop
    # As float32 the volume would take 32 GiB.
    assert peak < (600 if second is not None else 1600) * 2**20


def test_pieces_tile_the_volume_once(stack, monkeypatch):
    volume, _, paint = stack
    monkeypatch.setattr(run, "_block_shape", lambda method, shape: (3, 25, 17))
    seen = np.zeros(volume.shape, int)
    pieces = list(stream_method("otsu", volume, annotations=paint))
    for piece in pieces:
        seen[piece.region] += 1
    assert (seen == 1).all()
    assert [p.done for p in pieces] == list(range(1, len(pieces) + 1))
    assert {p.total for p in pieces} == {len(pieces)}


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.iterative])
def test_iterative_methods_show_results_on_the_way(name, stack):
    volume, _, paint = stack
    parameters = {"sigma": 1.0}
    pieces = list(stream_method(name, volume, annotations=paint, parameters=parameters))
    assert [p.final for p in pieces[:-1]] == [False] * (len(pieces) - 1)
    assert pieces[-1].final
    assert pieces[-1].region == full_region(volume.shape)
    np.testing.assert_array_equal(pieces[-1].labels, pieces[-2].labels)


def test_stop_ends_an_iterative_method_with_what_it_has(stack):
    volume, _, paint = stack
    control = JobControl()
    pieces = stream_method(
        "confidence_connected", volume, annotations=paint, parameters={"iterations": 50},
        control=control,
    )  # fmt: skip
    next(pieces)
    control.stop = True
    assert sum(p.final for p in pieces) == 1


def test_too_large_for_memory_is_refused(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**20))
    with pytest.raises(InputError, match="whole volume in memory"):
        next(stream_method("watershed", Volume(Virtual((64, 512, 512)))))
