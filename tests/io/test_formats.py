"""What every reader must do, whatever the format."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.io import describe, list_datasets, open_image, open_labels

from .formats import FORMATS, Format

every_format = pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)


@every_format
def test_values_shape_and_dtype(form: Format, tmp_path: Path, stack):
    for dtype in form.dtypes:
        folder = tmp_path / dtype
        folder.mkdir()
        expected = (stack % 120).astype(dtype)
        volume = open_image(form.write(folder, expected))
        assert volume.shape == expected.shape
        assert volume.dtype == np.dtype(dtype)
        assert volume.channels == 1
        np.testing.assert_array_equal(volume.read()[0], expected)


@every_format
def test_any_part_equals_the_same_part_of_the_whole(form: Format, tmp_path: Path, stack):
    data = open_image(form.write(tmp_path, stack)).data
    for key in (
        (3,),
        (-1, slice(2, 5)),
        (slice(2, 7), slice(5, 20), slice(30, 34)),
        (slice(0, 9, 3), slice(None, None, -2), 7),
        (Ellipsis, 4),
        (slice(4, 4),),
    ):
        np.testing.assert_array_equal(data[key], stack[key])


@every_format
def test_spacing_is_in_nanometres_or_said_to_be_unknown(form: Format, tmp_path: Path, stack):
    volume = open_image(form.write(tmp_path, stack))
    assert volume.spacing_known == (form.spacing is not None)
    assert volume.spacing == pytest.approx(form.spacing or (1, 1, 1))
    if form.spacing is None:
        assert any("voxel size" in note for note in volume.metadata["notes"])


@every_format
def test_a_copy_in_another_process_reads_too(form: Format, tmp_path: Path, stack):
    volume = pickle.loads(pickle.dumps(open_image(form.write(tmp_path, stack))))
    np.testing.assert_array_equal(volume.read()[0], stack)


@every_format
def test_description_needs_no_voxels(form: Format, tmp_path: Path, stack):
    address = form.write(tmp_path, stack)
    found = describe(address)
    assert (found.shape, found.dtype, found.channels) == (stack.shape, "uint16", 1)
    assert found.nbytes == stack.nbytes
    assert np.prod(list_datasets(address)[0].shape) == stack.size


@every_format
def test_labels_keep_their_codes(form: Format, tmp_path: Path, stack):
    volume = open_labels(form.write(tmp_path, stack))
    assert volume.read_labels().dtype.kind == "u"
    np.testing.assert_array_equal(volume.read_labels(), stack)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts bytes through /proc")
@pytest.mark.parametrize("form", [f for f in FORMATS if f.lazy], ids=lambda f: f.name)
def test_only_what_is_looked_at_is_read(form: Format, tmp_path: Path):
    """One of 32 slices costs less than a fifth of the bytes, opening included."""
    noise = np.random.default_rng(0).integers(0, 2**16, (32, 192, 256), np.uint16)
    address = form.write(tmp_path, noise)
    open_image(address).data[0]  # imports and code pages are not counted
    before = _bytes_read()
    plane = open_image(address).data[20]
    spent = _bytes_read() - before
    np.testing.assert_array_equal(plane, noise[20])
    assert spent < noise.nbytes / 5


def _bytes_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(lines[0].split()[1])


@every_format
def test_half_a_file_is_one_clear_line(form: Format, tmp_path: Path, stack):
    """Every file is cut to half its length: opening or reading says so, naming a file."""
    address = form.write(tmp_path, stack)
    for path in (p for p in tmp_path.rglob("*") if p.is_file() and not p.name.startswith(".z")):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError) as caught:
        open_image(address).read()
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
