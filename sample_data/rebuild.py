"""Rebuild the bundled sample volumes from the files that their authors publish.

    python sample_data/rebuild.py fibsem IMAGE INSTANCES
    python sample_data/rebuild.py nuclei IMAGE INSTANCES

IMAGE and INSTANCES are TIFF files or FILE.h5::dataset; see sample_data/README.md.
The sparse annotation is what a simulated painter paints: brush strokes over a few
slices, each voxel under the brush given its true class.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from scipy import ndimage

from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Spacing
from napari_densify.data import sample_files
from napari_densify.io import open_image, open_labels
from napari_densify.io._tiff_metadata import DENSIFY_TAG, DensifyTag, tag_json

Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Recipe:
    """How one volume is annotated: painted slices, radius and coverage of the brush."""

    slices: tuple[int, ...]
    brush_radius: float
    coverage: float


RECIPES = {
    "fibsem": Recipe((6, 19, 32, 44), brush_radius=7, coverage=0.4),
    "nuclei": Recipe((16, 38, 60, 82), brush_radius=9, coverage=0.45),
}


def fibsem_classes(instances: Labels) -> Labels:
    """Boundary (1) within one voxel of the voxels without a neuron, interior (2) elsewhere."""
    boundary = ndimage.binary_dilation(instances == 0)
    return np.where(boundary, 1, 2).astype(np.uint8)


def nuclei_classes(instances: Labels) -> Labels:
    """Background (1) and nucleus (2)."""
    return np.where(instances == 0, 1, 2).astype(np.uint8)


CLASSES = {"fibsem": fibsem_classes, "nuclei": nuclei_classes}


def draw_stroke(
    shape: tuple[int, int], radius: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Voxels under a brush that is drawn along a curve through three random points."""
    a, b, c = rng.uniform((0, 0), shape, (3, 2))
    t = np.linspace(0, 1, 200)[:, None]
    path = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
    under = np.ones(shape, bool)
    under[tuple(path.astype(int).T)] = False
    return ndimage.distance_transform_edt(under) <= radius


def paint(truth: Labels, recipe: Recipe) -> Labels:
    """Paint strokes over each chosen slice until enough of it is covered."""
    rng = np.random.default_rng(0)
    annotations = np.zeros_like(truth)
    for z in recipe.slices:
        painted = np.zeros(truth.shape[1:], bool)
        while painted.mean() < recipe.coverage:
            painted |= draw_stroke(painted.shape, recipe.brush_radius, rng)
        annotations[z][painted] = truth[z][painted]
    return annotations


def write(path: Path, volume: Labels, spacing: Spacing, classes: ClassTable | None) -> None:
    """Write a compressed TIFF with voxel size and class names (Densify's own are uncompressed)."""
    tag = DensifyTag(spacing=spacing, spacing_known=True, classes=classes)
    z, y, x = spacing
    tifffile.imwrite(
        path,
        volume,
        imagej=True,
        compression="zlib",
        predictor=True,
        resolution=(1 / x, 1 / y),
        metadata={"axes": "ZYX", "spacing": z, "unit": "nm"},
        extratags=[(DENSIFY_TAG, "s", 0, tag_json(tag), True)],
    )


def main() -> None:
    """Read the originals and write the four files of one volume."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("image")
    parser.add_argument("instances")
    args = parser.parse_args()
    recipe, files = RECIPES[args.name], sample_files(args.name)
    image = open_image(args.image).read()[0]
    instances = open_labels(args.instances).read_labels().astype(np.uint16)
    truth = CLASSES[args.name](instances)
    volumes = {
        "image": (image, None),
        "instances": (instances, None),
        "truth": (truth, files.classes),
        "annotations": (paint(truth, recipe), files.classes),
    }
    for name, (volume, classes) in volumes.items():
        write(files.licence.with_name(f"{name}.tif"), volume, files.spacing, classes)


if __name__ == "__main__":
    main()
