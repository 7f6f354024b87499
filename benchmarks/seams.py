"""Seams: labels of a tiled prediction that differ from those of an untiled one.

    python -m benchmarks.seams --model MODEL --image IMAGE [--tile 128] [--reach 8] [--write]

With the shipped settings (precision, mirrors, forest), once with the whole volume as one
tile and once with small ones. Voxels within ``--reach`` of a face between two tiles
are border, all others inside.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.page import busy, write_section
from napari_densify.core.blocks import full_region
from napari_densify.core.settings import PredictSettings
from napari_densify.inference.predictor import Predictor
from napari_densify.inference.tiling import Tiling
from napari_densify.inference.volume import make_predictor
from napari_densify.io import open_image
from napari_densify.networks import load_model


def labels_of(model: Path, image: Path, mirrors: int | None, tile: int) -> npt.NDArray[np.uint8]:
    """Predict as one tile, or in tiles of so many voxels along Y and X."""
    loaded, volume = load_model(model), open_image(image)
    spec = loaded.spec.model_copy(update={"triplanar": False})
    settings = PredictSettings(device="cpu", mirrors=mirrors)
    one = make_predictor(loaded.network, spec, volume, settings, extra=loaded.extra)
    assert isinstance(one, Predictor)
    depth, height, width = volume.shape
    size = (depth, min(tile, height), min(tile, width)) if tile else volume.shape
    one._ladder.tiling = Tiling(size, 1)
    return one.predict_region(full_region(volume.shape)).argmax(0).astype(np.uint8)


def near_faces(shape: tuple[int, ...], tile: int, reach: int) -> npt.NDArray[np.bool_]:
    """Voxels near a face between two tiles."""
    near = np.zeros(shape, bool)
    for face in range(tile, shape[1], tile):
        near[:, face - reach : face + reach] = True
    for face in range(tile, shape[2], tile):
        near[:, :, face - reach : face + reach] = True
    return near


def main() -> None:
    """Measure and print, or write into the docs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--reach", type=int, default=8)
    parser.add_argument("--mirrors", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    whole, tiled = (
        labels_of(options.model, options.image, options.mirrors, tile) for tile in (0, options.tile)
    )
    body = table(whole != tiled, near_faces(whole.shape, options.tile, options.reach))
    print(body)
    if options.write:
        words = f"--tile {options.tile} --reach {options.reach}"
        words += f" --mirrors {options.mirrors}" if options.mirrors else ""
        command = (
            f"python -m benchmarks.seams --model {options.model.name} "
            f"--image {options.image.name} {words}"
        )
        write_section("Seams, shipped settings", command, body)


def table(different: npt.NDArray[np.bool_], near: npt.NDArray[np.bool_]) -> str:
    """Table for the page."""
    rows = ["| voxels | of them | labelled otherwise | per million |", "|---|---|---|---|"]
    shares = []
    for name, part in (("near a face between tiles", near), ("inside tiles", ~near)):
        count, total = int(different[part].sum()), int(part.sum())
        shares.append(count / max(total, 1))
        rows.append(f"| {name} | {total} | {count} | {1e6 * shares[-1]:.1f} |")
    ratio = f"{shares[0] / shares[1]:.2f}" if shares[1] else "none" if not shares[0] else "infinite"
    return "\n".join([*rows, "", f"Ratio: {ratio}. {busy()}"])


if __name__ == "__main__":
    main()
