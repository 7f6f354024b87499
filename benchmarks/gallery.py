"""The picture of synthetic volumes in the docs.

    python -m benchmarks.gallery [--seeds 2] [-o docs/images/synthetic.png]

Each kind has a row; each seed an XY slice, its classes and an XZ section.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from napari_densify.data.synthetic import SYNTHETIC_KINDS, synthetic_volume

_SIDE = 160
_DEPTH = {"sstem": 6, "sbem": 32, "fibsem": 64, "nuclei": 48, "cells": 48, "rock": 48}
_COLOURS = np.array(
    [[0, 0, 0], [30, 30, 30], [215, 215, 215], [225, 87, 89], [89, 161, 79], [78, 121, 167]],
    np.uint8,
)


def row(kind: str, seed: int) -> np.ndarray:
    """One volume as a strip ``(side, 3 side, RGB)``."""
    image, labels = synthetic_volume(kind, (_DEPTH[kind], _SIDE, _SIDE), seed=seed)
    z = len(image) // 2
    section = np.repeat(image[:, _SIDE // 2], -(-_SIDE // len(image)), axis=0)[:_SIDE]
    grey = [np.repeat(plane[..., None], 3, axis=2) for plane in (image[z], section)]
    return np.hstack([grey[0], _COLOURS[labels[z]], grey[1]])


def main() -> None:
    """Draw all kinds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images/synthetic.png"))
    options = parser.parse_args()
    rows = [
        np.hstack([row(kind, seed) for seed in range(options.seeds)]) for kind in SYNTHETIC_KINDS
    ]
    Image.fromarray(np.vstack(rows)).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
