from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_densify.core.blocks import block_grid, full_region
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.io import (
    create_sink,
    describe,
    open_image,
    open_labels,
    write_labels,
    write_volume,
)

SPACING = (40.0, 4.6, 5.0)
CLASSES = ClassTable.from_values([1, 2, 7], names={2: "Zellkern (µ)"}, background=1)
kinds = pytest.mark.parametrize("name", ["out.tif", "out.zarr", "out.h5"])
raw_kinds = pytest.mark.parametrize("name", ["out.npy", "out.mrc", "out.nii", "out.nrrd"])


def _labels(dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(1).integers(0, 8, (10, 37, 41)).astype(dtype)


def _write_blocks(sink, array: np.ndarray, size=(4, 16, 10)) -> None:
    blocks = list(block_grid(array.shape[-3:], size))
    for block in reversed(blocks):
        part = array[(..., *block.write)]
        sink.write(block.write, part)
        sink.done(block.index)


@kinds
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "float32", "int64"])
def test_blocks_in_any_order_come_back_as_one_volume(name: str, dtype: str, tmp_path: Path):
    array = _labels(dtype)
    sink = create_sink(
        tmp_path / name, shape=array.shape, dtype=dtype, spacing=SPACING, spacing_known=True
    )
    _write_blocks(sink, array)
    volume = open_image(sink.close())
    np.testing.assert_array_equal(volume.read()[0], array)
    assert volume.dtype == np.dtype(dtype)
    assert volume.spacing == pytest.approx(SPACING)
    assert volume.spacing_known
    assert volume.metadata["notes"] == ()


@kinds
def test_channels(name: str, tmp_path: Path):
    array = np.stack([_labels(), 100 + _labels()])
    sink = create_sink(tmp_path / name, shape=array.shape, dtype="uint8")
    _write_blocks(sink, array)
    volume = open_image(sink.close())
    np.testing.assert_array_equal(volume.read(), array)
    np.testing.assert_array_equal(open_image(sink.path, channels=[1]).read()[0], array[1])
    assert not volume.spacing_known


@raw_kinds
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_raw_formats_keep_values_and_voxel_size(name: str, dtype: str, tmp_path: Path):
    array = _labels(dtype)
    facts = {"spacing": SPACING, "spacing_known": name != "out.npy"}
    sink = create_sink(tmp_path / name, shape=array.shape, dtype=dtype, **facts)
    _write_blocks(sink, array)
    volume = open_image(sink.close())
    np.testing.assert_array_equal(volume.read()[0], array)
    assert volume.dtype == sink.dtype
    assert volume.spacing == pytest.approx(SPACING if name != "out.npy" else (1, 1, 1))
    unknown = create_sink(tmp_path / name, shape=array.shape, dtype=dtype).close()
    assert not open_image(unknown).spacing_known
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.npy", "out.nii", "out.nrrd"])
def test_raw_formats_with_channels(name: str, tmp_path: Path):
    array = np.stack([_labels(), 100 + _labels()])
    sink = create_sink(
        tmp_path / name, shape=array.shape, dtype="uint8", spacing=SPACING, spacing_known=True
    )
    _write_blocks(sink, array)
    np.testing.assert_array_equal(open_image(sink.close()).read(), array)


def test_other_programs_find_nothing_wrong(tmp_path: Path):
    mrcfile = pytest.importorskip("mrcfile")
    nibabel = pytest.importorskip("nibabel")
    nrrd = pytest.importorskip("nrrd")
    for name in ("out.mrc", "out.nii", "out.nrrd"):
        facts = {"spacing": SPACING, "spacing_known": True}
        write_volume(tmp_path / name, _labels("uint16"), **facts)
    report = (tmp_path / "report.txt").open("w")
    with report:
        assert mrcfile.validate(tmp_path / "out.mrc", print_file=report)
    image = nibabel.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, _labels())
    assert image.header.get_zooms() == pytest.approx([s / 1000 for s in SPACING[::-1]])
    data, header = nrrd.read(str(tmp_path / "out.nrrd"), index_order="C")
    np.testing.assert_array_equal(data, _labels())
    assert np.diag(header["space directions"]) == pytest.approx([s / 1e6 for s in SPACING[::-1]])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.mrc", {"shape": (2, 3, 4, 5), "dtype": "uint8"}),
        ("out.mrc", {"shape": (3, 4, 5), "dtype": "uint32"}),
        ("out.nii", {"shape": (3, 4, 5), "dtype": "float16"}),
        ("out.nrrd", {"shape": (3, 4, 5), "dtype": "float16"}),
    ],
)
def test_what_a_format_cannot_hold(name, options, tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot hold .*; write \.tif or \.zarr"):
        create_sink(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


@kinds
def test_class_names_colours_and_background_are_kept(name: str, tmp_path: Path):
    write_labels(tmp_path / name, _labels(), classes=CLASSES)
    assert open_labels(tmp_path / name).metadata["classes"] == CLASSES
    assert describe(tmp_path / name).as_dict()["classes"][1]["name"] == "Zellkern (µ)"


@kinds
def test_what_is_not_written_is_unlabelled(name: str, tmp_path: Path):
    sink = create_sink(tmp_path / name, shape=(4, 8, 8), dtype="uint8")
    box = (slice(1, 2), slice(0, 8), slice(2, 4))
    sink.write(box, np.full((1, 8, 2), 3))
    labels = open_labels(sink.close()).read_labels()
    assert labels.sum() == 3 * 16
    assert (labels[box] == 3).all()


@kinds
def test_threads_may_write_at_once(name: str, tmp_path: Path):
    array = _labels()
    sink = create_sink(tmp_path / name, shape=array.shape, dtype="uint8", chunks=(8, 8, 8))
    with ThreadPoolExecutor(4) as pool:
        blocks = list(block_grid(array.shape, (3, 5, 7)))
        list(pool.map(lambda b: sink.write(b.write, array[b.write]), blocks))
    np.testing.assert_array_equal(open_image(sink.close()).read()[0], array)


@kinds
def test_an_older_result_stays_until_the_new_one_is_complete(name: str, tmp_path: Path):
    write_labels(tmp_path / name, _labels())
    sink = create_sink(tmp_path / name, shape=(2, 3, 3), dtype="uint8")
    sink.abort()
    np.testing.assert_array_equal(open_labels(tmp_path / name).read_labels(), _labels())
    write_labels(tmp_path / name, np.ones((2, 3, 3), np.uint8))
    assert open_labels(tmp_path / name).read_labels().sum() == 18
    assert [p.name for p in tmp_path.iterdir()] == [name]


@kinds
def test_nonsense_is_a_fault_not_a_file(name: str, tmp_path: Path):
    sink = create_sink(tmp_path / name, shape=(4, 8, 8), dtype="uint8")
    box = full_region((1, 8, 8))
    with pytest.raises(ValueError, match="shape"):
        sink.write(box, np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(ValueError, match="do not fit"):
        sink.write(box, np.full((1, 8, 8), 300))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_bad_targets_are_one_line(tmp_path: Path):
    options = {"shape": (2, 3, 3), "dtype": "uint8"}
    with pytest.raises(InputError, match=r"name it \.tif or \.zarr \(or"):
        create_sink(tmp_path / "out.xyz", **options)
    with pytest.raises(InputError, match="there is no folder"):
        create_sink(tmp_path / "nowhere" / "out.tif", **options)
    with pytest.raises(InputError, match="resumed"):
        create_sink(tmp_path / "out.tif", resume=True, **options)
    with pytest.raises(InputError, match="PB"):
        create_sink(tmp_path / "out.tif", shape=(10**6, 10**6, 10**6), dtype="uint8")
    assert list(tmp_path.iterdir()) == []


def test_a_prediction_of_a_region_says_so(tmp_path: Path):
    path, array = tmp_path / "out.zarr", _labels()
    for region in ("", "0:2,0:8,0:8"):
        with_plan = {"shape": array.shape, "dtype": "uint8", "plan": {"region": region}}
        create_sink(path, **with_plan).close()
        notes = describe(path).notes
        assert [note for note in notes if "region" in note] == (
            ["predicted in the region 0:2,0:8,0:8 only: elsewhere it is 0"] if region else []
        )


def test_resume_keeps_finished_blocks_only(tmp_path: Path):
    path, array = tmp_path / "out.zarr", _labels()
    options = {"shape": array.shape, "dtype": "uint8", "chunks": (4, 16, 16)}
    blocks = list(block_grid(array.shape, (4, 16, 16)))
    first = create_sink(path, **options)
    for block in blocks[:5]:
        first.write(block.write, array[block.write])
        first.done(block.index)
    first.abort()
    assert any("unfinished" in note for note in describe(path).notes)

    second = create_sink(path, resume=True, **options)
    missing = [b for b in blocks if not second.is_done(b.index)]
    assert missing == blocks[5:]
    for block in missing:
        second.write(block.write, array[block.write])
    second.close()
    np.testing.assert_array_equal(open_labels(path).read_labels(), array)
    assert describe(path).notes == ("the file states no voxel size",)
    with pytest.raises(InputError, match="another result"):
        create_sink(path, shape=(2, 2, 2), dtype="uint8", resume=True)


def test_resuming_a_finished_zarr_changes_nothing(tmp_path: Path):
    path, array = tmp_path / "out.zarr", _labels()
    options = {"shape": array.shape, "dtype": "uint8", "plan": {"model": "a"}}
    first = create_sink(path, **options)
    first.write(full_region(array.shape), array)
    first.close()

    def files() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in path.rglob("*") if p.is_file()}

    before = files()
    for end in ("abort", "close"):
        again = create_sink(path, resume=True, **options)
        assert again.is_done((0, 0, 0))
        getattr(again, end)()
        assert files() == before


def test_what_was_reopened_is_never_deleted(tmp_path: Path):
    path = tmp_path / "out.zarr"
    write_labels(path, _labels())  # whoever made it left no plan: its blocks are not trusted
    again = create_sink(
        path, shape=_labels().shape, dtype="uint8", resume=True, plan={"model": "a"}
    )
    assert not again.is_done((0, 0, 0))
    again.abort()
    np.testing.assert_array_equal(open_labels(path).read_labels(), _labels())


def test_a_torn_line_in_the_journal_is_not_a_finished_block(tmp_path: Path):
    options = {"shape": (4, 8, 8), "dtype": "uint8"}
    sink = create_sink(tmp_path / "out.zarr", **options)
    sink.done((0, 0, 0))
    with (tmp_path / "out.zarr" / "0" / "densify-done.txt").open("a") as journal:
        journal.write("0 0 1")
    again = create_sink(tmp_path / "out.zarr", resume=True, **options)
    assert again.is_done((0, 0, 0))
    assert not again.is_done((0, 0, 1))


def test_a_killed_writer_leaves_no_half_tiff(tmp_path: Path):
    path = tmp_path / "out.tif"
    write_labels(path, _labels())
    code = (
        "import os, signal, numpy as np\n"
        "from napari_densify.io import create_sink\n"
        f"sink = create_sink({str(path)!r}, shape=(8, 64, 64), dtype='uint8')\n"
        "sink.write((slice(0, 4), slice(0, 64), slice(0, 64)), np.ones((4, 64, 64), np.uint8))\n"
        "os.kill(os.getpid(), 9 if hasattr(signal, 'SIGKILL') else signal.SIGTERM)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode != 0
    np.testing.assert_array_equal(open_labels(path).read_labels(), _labels())
    assert len(list(tmp_path.iterdir())) == 2  # a hidden one, which the next run takes away
    write_labels(path, _labels())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_imagej_reads_voxel_size_and_unit(dtype: str, tmp_path: Path):
    write_volume(
        tmp_path / "out.tif", _labels(dtype), spacing=SPACING, spacing_known=True, classes=CLASSES
    )
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.is_imagej
        found = tif.imagej_metadata
        assert (found["unit"], found["spacing"], found["slices"]) == ("nm", 40.0, 10)
        per_nm = tif.pages[0].tags["XResolution"].value
        assert per_nm[0] / per_nm[1] == pytest.approx(1 / 5.0)
        assert "label 7 = class 7" in found["Info"]
        if dtype == "uint8":
            assert bytes(found["LUTs"][:, 7]).hex() == CLASSES.classes[2].color[1:]


def test_large_ids_are_ome_tiff_with_physical_sizes(tmp_path: Path):
    write_labels(tmp_path / "out.tif", _labels("uint32"), spacing=SPACING, spacing_known=True)
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.is_ome
        assert tif.is_bigtiff
        assert 'PhysicalSizeZ="40.0"' in tif.ome_metadata
        assert 'PhysicalSizeZUnit="nm"' in tif.ome_metadata


def test_zarr_is_ome_zarr(tmp_path: Path):
    write_labels(tmp_path / "out.zarr", _labels(), spacing=SPACING, spacing_known=True)
    ome = json.loads((tmp_path / "out.zarr" / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["version"] == "0.5"
    entry = ome["multiscales"][0]
    assert [a["unit"] for a in entry["axes"]] == ["nanometer"] * 3
    scale = entry["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == pytest.approx(SPACING)
    assert zarr.open_array(tmp_path / "out.zarr" / "0").metadata.dimension_names == ("z", "y", "x")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits files through rlimit")
@kinds
def test_a_full_disk_is_one_clear_line_and_leaves_the_old_result(name: str, tmp_path: Path):
    path = tmp_path / name
    write_labels(path, _labels())
    code = (
        "import resource, numpy as np\n"
        "from napari_densify.core.errors import InputError\n"
        "from napari_densify.io import write_labels\n"
        "noise = np.random.default_rng(0).integers(0, 255, (16, 256, 256), np.uint8)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        f"    write_labels({str(path)!r}, noise)\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path}: cannot be written ("), done.stdout
    np.testing.assert_array_equal(open_labels(path).read_labels(), _labels())
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_zarr_killed_and_resumed_is_whole(tmp_path: Path):
    """The first run is killed at some block; what its journal calls done, is."""
    path = tmp_path / "out.zarr"
    code = (
        "import sys, numpy as np\n"
        "from napari_densify.core.blocks import block_grid\n"
        "from napari_densify.io import create_sink\n"
        "array = np.random.default_rng(1).integers(1, 8, (12, 64, 64)).astype('uint8')\n"
        "sink = create_sink(sys.argv[1], shape=array.shape, dtype='uint8', chunks=(4, 16, 16),\n"
        "                   resume=True)\n"
        "for block in block_grid(array.shape, (4, 16, 16)):\n"
        "    if not sink.is_done(block.index):\n"
        "        sink.write(block.write, array[block.write])\n"
        "        sink.done(block.index)\n"
        "        print(block.index, flush=True)\n"
        "sink.close()\n"
    )
    seen: list[bytes] = []
    for lines in (7, 10**6):
        command = [sys.executable, "-c", code, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            seen += [line for line, _ in zip(child.stdout, range(lines), strict=False)]
            child.kill()
    expected = np.random.default_rng(1).integers(1, 8, (12, 64, 64))
    np.testing.assert_array_equal(open_labels(path).read_labels(), expected)
    assert len(set(seen)) == len(seen) <= 48
    assert describe(path).notes == ("the file states no voxel size",)
