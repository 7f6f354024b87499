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
