"""Previews of one slice."""

import numpy as np
import pytest

from napari_densify.classical import METHODS, preview_slice, run_method
from napari_densify.core.errors import InputError


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.blockwise])
def test_blockwise_methods_show_exactly_what_they_will_give(name, stack):
    volume, _, paint = stack
    whole = run_method(name, volume, annotations=paint)
    *_, shown = preview_slice(name, volume, 2, annotations=paint)
    np.testing.assert_array_equal(shown, whole[2])


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if not m.blockwise])
@pytest.mark.parametrize("z", [3, 4])
def test_others_show_a_sketch(name, z, stack):
    volume, truth, paint = stack
    parameters = {"size": 30} if name == "superpixels" else {}
    *_, shown = preview_slice(name, volume, z, annotations=paint, parameters=parameters)
    assert shown.shape == truth[z].shape
    assert (shown == truth[z]).mean() > 0.8


def test_paint_is_asked_for(stack):
    volume, _, _ = stack
    with pytest.raises(InputError, match="paint"):
        list(preview_slice("random_walker", volume, 2))


@pytest.mark.parametrize("name", ["chan_vese", "random_forest", "ridges"])
def test_slow_methods_show_a_coarse_sketch_first(name, stack, monkeypatch):
    from napari_densify.classical import preview

    monkeypatch.setattr(preview, "_SKETCH_VOXELS", 400)
    volume, truth, paint = stack
    first, last = preview_slice(name, volume, 3, annotations=paint)
    assert first.shape == last.shape == truth[3].shape
    np.testing.assert_array_equal(first[::2, ::2].repeat(2, 0).repeat(2, 1), first)
    if name != "ridges":
        assert (first == truth[3]).mean() > 0.75


def test_needs_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, numpy as np; from napari_densify.core.volume import Volume;"
        "from napari_densify.classical import preview_slice;"
        "list(preview_slice('otsu', Volume(np.eye(9)[None]), 0)); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_sketch_of_a_forest_has_fewer_trees_but_the_answer_all(stack, monkeypatch):
    from napari_densify.classical import forest, preview

    monkeypatch.setattr(preview, "_SKETCH_VOXELS", 400)
    seen = []
    real = forest._classifier
    monkeypatch.setattr(forest, "_classifier", lambda p: seen.append(p) or real(p))
    volume, _, paint = stack
    list(preview_slice("random_forest", volume, 3, annotations=paint, parameters={"trees": 40}))
    assert [p.trees for p in seen] == [15, 40]
    assert seen[0].samples < seen[1].samples


def test_distances_are_kept_until_the_paint_changes(stack):
    volume, _, paint = stack
    memory = {}
    first = list(preview_slice("interpolation", volume, 2, annotations=paint, memory=memory))[-1]
    kept = len(memory)
    assert kept == 3  # one for each painted slice
    again = list(preview_slice("interpolation", volume, 2, annotations=paint, memory=memory))[-1]
    np.testing.assert_array_equal(first, again)
    assert len(memory) == kept
    paint[1] = 1
    changed = list(preview_slice("interpolation", volume, 2, annotations=paint, memory=memory))[-1]
    assert len(memory) == kept
    assert (changed != first).any()


def test_a_large_slice_is_solved_on_a_grid_that_is_quick(stack, monkeypatch):
    from napari_densify.classical import geodesic

    monkeypatch.setattr(geodesic, "_QUICK_VOXELS", 420)
    sizes = []
    real = geodesic.geodesic_distance
    monkeypatch.setattr(
        geodesic,
        "geodesic_distance",
        lambda cost, *a, **k: sizes.append(cost.size) or real(cost, *a, **k),
    )
    volume, truth, paint = stack
    *_, shown = preview_slice("geodesic", volume, 3, annotations=paint)
    assert max(sizes) <= 420
    assert (shown == truth[3]).mean() > 0.8
