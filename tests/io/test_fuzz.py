"""A short run of ``benchmarks/fuzz_io.py``, and the files that once went wrong."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from benchmarks.fuzz_io import fuzz

from napari_densify.core.errors import InputError
from napari_densify.io import open_image


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory through rlimit")
def test_mutated_files_open_or_give_one_clear_line():
    outcomes, failures = fuzz(range(210), seed=20)
    assert not failures, "\n".join(f"{f.name}: {f.what}" for f in failures)
    assert outcomes["opened"] > 30
    assert outcomes["refused"] > 30


def test_a_circular_chain_of_tiff_pages_ends(tmp_path: Path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(3):
            writer.write(np.zeros((8, 8), np.uint8), metadata=None, contiguous=False)
    with tifffile.TiffFile(path) as tif:
        first, last = tif.pages[0], tif.pages[2]
        end = last.offset + 2 + 12 * len(last.tags)
    with path.open("r+b") as file:
        file.seek(end)
        file.write(struct.pack("<I", first.offset))
    with pytest.raises(InputError, match="damaged"):
        open_image(path)


def test_a_tiff_page_that_promises_more_strips_than_it_lists(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["ImageLength"].overwrite(2**30)
    with pytest.raises(InputError, match=r"a\.tif"):
        open_image(path).data[0, :8]


def test_an_hdf5_file_with_a_zeroed_heap_of_texts(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = np.zeros((8, 8, 8), np.uint8)
        file["raw"].attrs["axistags"] = '{"axes": []}'
    assert open_image(path).shape == (8, 8, 8)
    content = bytearray(path.read_bytes())
    start = content.index(b"GCOL") + 32
    content[start : start + 256] = bytes(256)
    path.write_bytes(content)
    with pytest.raises(InputError, match="heap of texts is empty"):
        open_image(path)


def test_a_nifti_with_a_negative_length(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / "a.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 8), np.uint8), np.eye(4)), path)
    with path.open("r+b") as file:
        file.seek(42)
        file.write(struct.pack("<h", -129))
    with pytest.raises(InputError, match="impossible"):
        open_image(path)
