"""Axes, channels, units, addresses and bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_densify.core.errors import InputError
from napari_densify.io import describe, list_datasets, open_image, open_labels
from napari_densify.io._flat import FlatArray


def _save(path: Path, array: np.ndarray, **options) -> Path:
    tifffile.imwrite(path, array, **{"photometric": "minisblack"} | options)
    return path


def test_a_2d_image_is_a_volume_with_one_slice(tmp_path):
    plane = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    volume = open_image(_save(tmp_path / "a.tif", plane))
    assert volume.shape == (1, 20, 30)
    np.testing.assert_array_equal(volume.read()[0, 0], plane)


def test_channels_of_an_imagej_hyperstack_come_first(tmp_path):
    stack = np.arange(5 * 2 * 20 * 30, dtype=np.uint16).reshape(5, 2, 20, 30)
    path = _save(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    volume = open_image(path)
    assert (volume.channels, volume.shape) == (2, (5, 20, 30))
    np.testing.assert_array_equal(volume.read(), stack.transpose(1, 0, 2, 3))
    second = open_image(path, channels=[1])
    assert second.channels == 1
    np.testing.assert_array_equal(second.read_labels(), stack[:, 1])
    swapped = open_image(path, channels=[1, 0])
    np.testing.assert_array_equal(swapped.read()[0], stack[:, 1])
    with pytest.raises(InputError, match=r"there is no channel 2; the image has channels 0\.\.1"):
        open_image(path, channels=[2])


def test_rgb_pixels_are_three_channels(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    for path in (_save(tmp_path / "a.tif", rgb, photometric="rgb"), tmp_path / "a.png"):
        volume = open_image(path)
        assert (volume.channels, volume.shape) == (3, (1, 20, 30))
        np.testing.assert_array_equal(volume.read()[:, 0], rgb.transpose(2, 0, 1))
        with pytest.raises(InputError, match="colour-coded mask"):
            open_labels(path)


def test_three_slices_that_tifffile_took_for_colour_planes_are_slices(tmp_path):
    stack = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    path = _save(tmp_path / "a.tif", stack, photometric="rgb", planarconfig="separate")
    volume = open_labels(path)
    np.testing.assert_array_equal(volume.read_labels(), stack)
    assert "its 3 colour planes are taken as slices" in volume.metadata["notes"]


def test_the_alpha_of_a_png_is_not_a_channel(tmp_path):
    rgba = np.random.default_rng(0).integers(0, 255, (20, 30, 4), np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png").channels == 3


def test_frames_are_slices_where_there_are_no_slices(tmp_path):
    frames = np.arange(6 * 20 * 30, dtype=np.uint16).reshape(6, 20, 30)
    path = _save(tmp_path / "a.tif", frames, imagej=True, metadata={"axes": "TYX"})
    volume = open_image(path)
    np.testing.assert_array_equal(volume.read()[0], frames)
    assert "the time axis is taken as slices" in volume.metadata["notes"]


def test_a_time_series_of_stacks_is_refused_in_one_line(tmp_path):
    series = np.zeros((3, 4, 20, 30), np.uint8)
    path = _save(tmp_path / "a.tif", series, imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(InputError, match=r"time series \(T 3, Z 4, Y 20, X 30\)"):
        open_image(path)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("nm", 1), ("um", 1e3), ("µm", 1e3), ("micron", 1e3), ("mm", 1e6), ("inch", 2.54e7)],
)
def test_imagej_units(unit, factor, tmp_path):
    path = _save(
        tmp_path / "a.tif",
        np.zeros((3, 20, 30), np.uint8),
        imagej=True,
        resolution=(4, 2),
        metadata={"spacing": 2.0, "unit": unit.replace("µ", "\\u00B5")},
    )
    assert open_image(path).spacing == pytest.approx((2 * factor, factor / 2, factor / 4))


@pytest.mark.parametrize("unit", ["pixel", "", "furlong"])
def test_a_unit_that_means_nothing_is_no_voxel_size(unit, tmp_path):
    path = _save(
        tmp_path / "a.tif",
        np.zeros((3, 20, 30), np.uint8),
        imagej=True,
        resolution=(4, 4),
        metadata={"spacing": 2.0, "unit": unit},
    )
    volume = open_image(path)
    assert (volume.spacing, volume.spacing_known) == ((1, 1, 1), False)


def test_a_screen_resolution_is_no_voxel_size(tmp_path):
    plane = np.zeros((20, 30), np.uint8)
    screen = _save(tmp_path / "s.tif", plane, resolution=(72, 72), resolutionunit="INCH")
    assert not open_image(screen).spacing_known
    micro = _save(tmp_path / "m.tif", plane, resolution=(1e4, 1e4), resolutionunit="CENTIMETER")
    assert open_image(micro).spacing == pytest.approx((1000, 1000, 1000))
    assert open_image(micro).spacing_known


def test_a_plain_stack_states_no_distance_between_slices(tmp_path):
    stack = np.zeros((4, 20, 30), np.uint8)
    path = _save(tmp_path / "a.tif", stack, resolution=(1e5, 1e5), resolutionunit="CENTIMETER")
    volume = open_image(path)
    assert volume.spacing == pytest.approx((100, 100, 100))
    assert not volume.spacing_known
    assert any("distance between slices" in note for note in volume.metadata["notes"])


def test_the_user_s_voxel_size_wins(tmp_path):
    path = _save(tmp_path / "a.tif", np.zeros((4, 20, 30), np.uint8))
    volume = open_image(path, spacing=(50, 4, 4))
    assert (volume.spacing, volume.spacing_known) == ((50, 4, 4), True)
    assert volume.metadata["notes"] == ()
    for bad in ((0, 1, 1), (1, -2, 1), (1, 1, float("nan"))):
        with pytest.raises(InputError, match="impossible"):
            open_image(path, spacing=bad)


def test_slices_are_in_natural_order_and_strangers_are_left_out(tmp_path):
    for z in (2, 10, 1):
        tifffile.imwrite(tmp_path / f"slice{z}.tif", np.full((20, 30), z, np.uint8))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.tif").write_text("x")
    assert open_image(tmp_path).read()[0, :, 0, 0].tolist() == [1, 2, 10]


def test_a_slice_of_another_size_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "z1.tif", np.zeros((20, 30), np.uint8))
    tifffile.imwrite(tmp_path / "z2.tif", np.zeros((20, 31), np.uint8))
    volume = open_image(tmp_path)
    assert volume.shape == (2, 20, 30)
    with pytest.raises(InputError, match=r"z2\.tif: this slice is \(20, 31\) uint8"):
        volume.read()


def test_a_folder_that_is_no_stack(tmp_path):
    with pytest.raises(InputError, match="holds no slices"):
        open_image(tmp_path)
    _save(tmp_path / "a.tif", np.zeros((3, 20, 30), np.uint8))
    assert open_image(tmp_path).shape == (3, 20, 30)
    _save(tmp_path / "b.tif", np.zeros((3, 20, 30), np.uint8))
    with pytest.raises(InputError, match=r"a\.tif is a stack of its own \(3 pages\)"):
        open_image(tmp_path)
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "c.png")
    with pytest.raises(InputError, match="several kinds of files"):
        open_image(tmp_path)
    assert open_image(f"{tmp_path}/*.png").shape == (1, 20, 30)


def test_one_of_several_images_in_a_tiff(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((8, 8), np.uint8))
        writer.write(np.ones((3, 20, 30), np.uint16), photometric="minisblack")
    path = str(tmp_path / "a.tif")
    assert open_image(path).shape == (3, 20, 30)
    assert open_image(f"{path}::0").shape == (1, 8, 8)
    assert [d.name for d in list_datasets(path)] == ["0", "1"]
    assert describe(path).datasets[1].shape == (3, 20, 30)
    with pytest.raises(InputError, match="holds no image '7'"):
        open_image(f"{path}::7")


def test_several_arrays_without_a_choice_are_listed(tmp_path):
    np.savez(tmp_path / "a.npz", raw=np.zeros((3, 20, 30)), truth=np.ones((3, 20, 30), np.uint8))
    with pytest.raises(InputError, match=r"a\.npz::NAME with one of: raw \(3, 20, 30\), truth"):
        open_image(tmp_path / "a.npz")
    labels = open_labels(f"{tmp_path / 'a.npz'}::truth")
    assert labels.read_labels().all()
    assert labels.source.endswith("::truth")


def test_a_name_with_colons_brackets_and_umlauts_is_a_file_first(tmp_path):
    folder = tmp_path / "Größe [1]"
    folder.mkdir()
    for name in ("a::b.tif", "z[1].tif"):
        path = _save(folder / name, np.zeros((2, 20, 30), np.uint8))
        assert open_image(path).shape == (2, 20, 30)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy", "a.npz", "a.xyz", "nothing"])
def test_text_under_any_name_is_one_clear_line(name, tmp_path):
    (tmp_path / name).write_text("hello, this is no image")
    for call in (open_image, open_labels, describe, list_datasets):
        with pytest.raises(InputError) as caught:
            call(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.tif", "missing.zarr", "none*.tif", ""])
def test_what_is_not_there(name, tmp_path):
    with pytest.raises(InputError, match=r"no such file|no file"):
        open_image(f"{tmp_path}/{name}" if name else "")


def test_the_format_is_recognised_without_an_ending(tmp_path):
    path = _save(tmp_path / "a.tif", np.zeros((3, 20, 30), np.uint8)).rename(tmp_path / "stack")
    assert open_image(path).shape == (3, 20, 30)


def test_pickled_arrays_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{}, []]], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=np.array([[{}, []]], object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(InputError, match="Python objects"):
            open_image(tmp_path / name)


@pytest.mark.parametrize("dtype", ["complex64", "U3"])
def test_voxels_that_are_no_numbers(dtype, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 20, 30), dtype))
    with pytest.raises(InputError, match="cannot be used"):
        open_image(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float32", "float64"])
def test_whole_numbers_of_any_type_are_labels(dtype, tmp_path):
    values = np.random.default_rng(0).integers(0, 2, (3, 20, 30))
    np.save(tmp_path / "a.npy", values.astype(dtype))
    labels = open_labels(tmp_path / "a.npy").read_labels()
    assert labels.dtype.kind == "u"
    np.testing.assert_array_equal(labels, values)


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan, np.inf, 1e30])
def test_labels_that_are_no_codes_are_refused(value, tmp_path):
    values = np.ones((3, 20, 30), np.float32)
    values[2, 3, 4] = value
    np.save(tmp_path / "a.npy", values)
    labels = open_labels(tmp_path / "a.npy")  # only the middle slice is looked at
    with pytest.raises(InputError, match="label"):
        labels.read_labels()
    values[1] = value
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match="label"):
        open_labels(tmp_path / "a.npy")


def test_nan_and_constant_slices_are_images_like_any(tmp_path):
    values = np.zeros((3, 20, 30), np.float32)
    values[1] = np.nan
    np.save(tmp_path / "a.npy", values)
    np.testing.assert_array_equal(open_image(tmp_path / "a.npy").read()[0], values)


def test_a_description_is_json(tmp_path):
    path = _save(tmp_path / "a.tif", np.zeros((3, 20, 30), np.uint8))
    plain = json.loads(json.dumps(describe(path).as_dict()))
    assert plain["shape"] == [3, 20, 30]
    assert plain["format"] == "TIFF"


def test_a_file_that_goes_away_is_one_clear_line(tmp_path):
    for options in ({}, {"compression": "zlib"}):
        path = _save(tmp_path / "a.tif", np.zeros((3, 20, 30), np.uint8), **options)
        volume = open_image(path)
        path.unlink()
        with pytest.raises(InputError, match=r"a\.tif: cannot be read \(no such file\)"):
            volume.read()


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "jpeg"}])
def test_a_file_cut_short_while_open_is_one_clear_line(options, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (8, 64, 64), np.uint8)
    path = _save(tmp_path / "a.tif", noise, **options)
    volume = open_image(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"a\.tif"):
        volume.read()


def test_a_damaged_page_does_not_spoil_the_others(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (8, 64, 64), np.uint8)
    path = _save(tmp_path / "a.tif", noise, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[5].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 200)
    volume = open_image(path)
    np.testing.assert_array_equal(volume.data[4], noise[4])
    with pytest.raises(InputError, match=r"a\.tif: cannot be read"):
        volume.data[5]


def test_a_compressed_file_that_was_exported_again_is_not_mixed_up(tmp_path):
    path = _save(tmp_path / "a.tif", np.zeros((8, 64, 64), np.uint8), compression="zlib")
    volume = open_image(path)
    noise = np.random.default_rng(0).integers(0, 255, (8, 64, 64), np.uint8)
    _save(path, noise, compression="zlib")
    with pytest.raises(InputError, match="changed since it was opened; open it again"):
        volume.read()
    np.testing.assert_array_equal(open_image(path).read()[0], noise)


def test_planes_of_strips_are_decoded_once(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (8, 64, 64), np.uint8)
    path = _save(tmp_path / "a.tif", noise, compression="zlib", rowsperstrip=1)
    monkeypatch.setattr("napari_densify.io._tiff_chunks._KEPT_BYTES", 3 * 64 * 64)
    data = open_image(path).data
    decoded = []
    really_asarray = tifffile.TiffPage.asarray

    def counted(page, *args, **kwargs):
        decoded.append(page.index)
        return really_asarray(page, *args, **kwargs)

    monkeypatch.setattr(tifffile.TiffPage, "asarray", counted)
    monkeypatch.setattr(tifffile.TiffFrame, "asarray", counted)
    for x in (0, 16, 32):
        np.testing.assert_array_equal(data[2:5, :, x : x + 16], noise[2:5, :, x : x + 16])
    assert decoded == [2, 3, 4]
    data[7], data[2]
    assert decoded == [2, 3, 4, 7, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a sparse file")
def test_an_imagej_stack_beyond_4_gb_has_all_its_slices(tmp_path):
    """ImageJ then writes one page header only, and the rest behind it."""
    path = tmp_path / "a.tif"
    description = "ImageJ=1.53\nimages=5000\nslices=5000\nunit=nm\nspacing=8.0\n"
    plane = np.zeros((1024, 1024), np.uint8)
    options = {"description": description, "metadata": None, "resolution": (0.25, 0.25)}
    tifffile.imwrite(path, plane, photometric="minisblack", **options)
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[0].dataoffsets[0]
    with path.open("r+b") as file:
        file.truncate(start + 5000 * plane.size)
        file.seek(start + 4999 * plane.size + 1024 * 3 + 7)
        file.write(b"\x09")
    volume = open_image(path)
    assert volume.shape == (5000, 1024, 1024)
    assert volume.spacing == pytest.approx((8, 4, 4))
    assert volume.data[4999, 3, 5:9].tolist() == [0, 0, 9, 0]


def test_jpeg_slices(tmp_path):
    z, y, x = np.indices((3, 20, 30))
    smooth = (z * 10 + y * 4 + x).astype(np.uint8)
    for number, plane in enumerate(smooth):
        Image.fromarray(plane).save(tmp_path / f"s{number}.jpg", quality=95)
    np.testing.assert_allclose(open_image(tmp_path).read()[0], smooth, atol=6)


def test_large_label_planes_are_not_read_to_open_them(tmp_path, monkeypatch):
    """A whole plane of 2 GiB would be: whole numbers need no look, others a window."""
    really_read, counts = FlatArray._read, []

    def counted(flat, file, start, count):
        counts.append(count)
        return really_read(flat, file, start, count)

    monkeypatch.setattr(FlatArray, "_read", counted)
    for dtype, most in (("uint8", 0), ("int8", 2**23)):
        path = tmp_path / f"{dtype}.npy"
        shape = (3, 2**16, 2**15)
        with path.open("wb") as file:
            header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + int(np.prod(shape)))
        assert open_labels(path).shape == shape
        assert sum(counts) <= most


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_an_ome_tiff_of_several_files(options, tmp_path):
    """Each file holds a slice of the volume that the metadata describe."""
    stack = np.random.default_rng(0).integers(0, 255, (3, 20, 30), np.uint8)
    parts = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="part{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(3)
    )
    for z, plane in enumerate(stack):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{z}"><Image ID="Image:0"><Pixels ID="Pixels:0" Type="uint8" '
            'DimensionOrder="XYZCT" SizeX="30" SizeY="20" SizeZ="3" SizeC="1" SizeT="1" '
            'PhysicalSizeX="0.004" PhysicalSizeY="0.004" PhysicalSizeZ="0.04">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{parts}</Pixels></Image></OME>'
        )
        path = tmp_path / f"part{z}.ome.tif"
        _save(path, plane, description=xml, metadata=None, **options)
    volume = open_image(tmp_path / "part0.ome.tif")
    assert volume.spacing == pytest.approx((40, 4, 4))
    np.testing.assert_array_equal(volume.read()[0], stack)
    np.testing.assert_array_equal(volume.data[2], stack[2])


def _pyramid(path: Path, stack: np.ndarray) -> None:
    """OME-TIFF of two levels, voxels of 40 x 4 x 4 nm."""
    metadata = {"axes": "ZYX"}
    for axis, size in zip("ZYX", (0.04, 0.004, 0.004), strict=True):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"tile": (16, 16), "photometric": "minisblack"}
        writer.write(stack, subifds=1, metadata=metadata, **options)
        writer.write(stack[:, ::2, ::2], subfiletype=1, **options)


def test_levels_of_a_tiff_pyramid(tmp_path):
    stack = np.random.default_rng(0).integers(0, 255, (5, 64, 96), np.uint8)
    _pyramid(tmp_path / "a.ome.tif", stack)
    fine, coarse = (open_image(tmp_path / "a.ome.tif", level=i) for i in range(2))
    assert fine.metadata["levels"] == ((5, 64, 96), (5, 32, 48))
    assert fine.spacing == pytest.approx((40, 4, 4))
    assert coarse.spacing == pytest.approx((40, 8, 8))
    np.testing.assert_array_equal(fine.read()[0], stack)
    np.testing.assert_array_equal(coarse.read()[0], stack[:, ::2, ::2])
    with pytest.raises(InputError, match="there is no pyramid level 2; the image has 2"):
        open_image(tmp_path / "a.ome.tif", level=2)


def test_a_level_of_a_file_that_has_none(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 20, 30), np.uint8))
    with pytest.raises(InputError, match="no pyramid level 1"):
        open_image(tmp_path / "a.npy", level=1)
