"""Files written here, read by the tools of others: ome-zarr-models, ome-zarr, napari-ome-zarr.

The tools need not be installed beside Densify:

    python -m benchmarks.other_tools write FOLDER
    SOME/OTHER/python benchmarks/other_tools.py read FOLDER

`read` checks shape, voxel size, voxels and label colours with every tool that it finds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

SPACING = (40.0, 8.0, 5.0)
SHAPE = (6, 40, 50)


def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint8)


def write(folder: Path) -> None:
    """Write an image, labels beside it, and labels of their own."""
    from napari_densify.core.labels import ClassTable
    from napari_densify.io import write_labels, write_ome_labels, write_volume

    folder.mkdir(parents=True, exist_ok=True)
    classes = ClassTable.from_values([1, 2], names={1: "membrane", 2: "inside"})
    labels = (stack() % 3).astype(np.uint8)
    write_volume(folder / "image.zarr", stack(), spacing=SPACING, spacing_known=True)
    write_ome_labels(folder / "image.zarr", "paint", labels, classes=classes)
    write_labels(
        folder / "labels.zarr", labels, spacing=SPACING, spacing_known=True, classes=classes
    )
    write_labels(
        folder / "labels.tif", labels, spacing=SPACING, spacing_known=True, classes=classes
    )


def with_models(folder: Path) -> str:
    """Validate the metadata against the specification."""
    import zarr
    from ome_zarr_models import open_ome_zarr

    found = []
    for name in ("image.zarr", "labels.zarr", "image.zarr/labels/paint"):
        model = open_ome_zarr(zarr.open_group(folder / name, mode="r"))
        found.append(f"{name}: {type(model).__name__} {model.ome_zarr_version}")
    return "; ".join(found)


def with_ome_zarr(folder: Path) -> str:
    """Read image and labels with the reference implementation."""
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    nodes = list(Reader(parse_url(folder / "image.zarr"))())
    np.testing.assert_array_equal(np.asarray(nodes[0].data[0]), stack())
    labels = [n for n in nodes if "paint" in str(n.zarr.path)]
    np.testing.assert_array_equal(np.asarray(labels[0].data[0]), stack() % 3)
    return f"{len(nodes)} nodes, image and labels equal"


def with_napari_ome_zarr(folder: Path) -> str:
    """Read as napari's plugin does; scale in the units that are stated."""
    from napari_ome_zarr import napari_get_reader

    told = []
    for name in ("image.zarr", "labels.zarr"):
        layers = napari_get_reader(str(folder / name))(str(folder / name))
        for data, options, kind in layers:
            first = data[0] if isinstance(data, list) else data
            assert tuple(first.shape) == SHAPE, first.shape
            scale = np.asarray(options["scale"], float)
            np.testing.assert_allclose(scale / scale[0], np.array(SPACING) / SPACING[0])
            told.append(f"{name}: {kind}, scale {scale.tolist()}")
    return "; ".join(told)


def with_tifffile(folder: Path) -> str:
    """Read the TIFF with its ImageJ metadata."""
    import tifffile

    with tifffile.TiffFile(folder / "labels.tif") as tif:
        np.testing.assert_array_equal(tif.asarray(), stack() % 3)
        meta = tif.imagej_metadata or {}
        assert tif.is_imagej, "no ImageJ file"
        return f"ImageJ, {meta.get('slices')} slices, spacing {meta.get('spacing')} {meta['unit']}"


TOOLS: dict[str, Callable[[Path], str]] = {
    "tifffile": with_tifffile,
    "ome-zarr-models": with_models,
    "ome-zarr": with_ome_zarr,
    "napari-ome-zarr": with_napari_ome_zarr,
}


def read(folder: Path) -> int:
    """Read with every tool; returns how many failed."""
    failed = 0
    for name, tool in TOOLS.items():
        try:
            print(f"{name}: {tool(folder)}")
        except ImportError as error:
            print(f"{name}: not here ({error})")
        except Exception as error:
            failed += 1
            print(f"{name}: FAILED {type(error).__name__}: {error}")
    return failed


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("act", choices=("write", "read"))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.act == "write":
        write(options.folder)
        return 0
    return read(options.folder)


if __name__ == "__main__":
    sys.exit(main())
