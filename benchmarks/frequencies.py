"""Frequencies of classes told from strokes, against those of the truth.

    python -m benchmarks.frequencies [--data FOLDER] [--seeds 2] [--size 400] [--write]

Strokes are placed by rule (``benchmarks.scenarios``) on five slices. The error is the mean
over classes of the absolute natural logarithm of told over true on painted slices: 0.1 is
about 10 % too many or too few.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch

from benchmarks.page import write_section
from benchmarks.scenarios import PAINT, Labels, crop, slice_count, volumes
from napari_densify.classical.features import compute_features
from napari_densify.core.normalisation import measure_intensity, normalise
from napari_densify.core.settings import FeatureConfig
from napari_densify.training.crops import Crop
from napari_densify.training.frequencies import estimate_frequencies, two_estimates

_RULES = ("strokes", "anywhere", "inside", "scribbles")
_TOLD = ("as painted", "as named", "corrected", "both")
_RAREST = 1e-3


def rows(options: argparse.Namespace) -> Iterator[dict]:
    """Yield one row for each volume, rule and seed."""
    for labelled in volumes(options.data):
        name, image, truth = crop(labelled, options.size)
        voxels = normalise(image.read(), measure_intensity(image))[0]

        @cache
        def bank(z: int, voxels: np.ndarray = voxels) -> torch.Tensor:
            found = compute_features(voxels[z : z + 1], FeatureConfig(), dtype=np.float16)
            return torch.from_numpy(found)

        for rule in _RULES:
            for seed in range(options.seeds):
                paint = PAINT[rule](truth, slice_count(len(truth)), seed)
                painted = np.flatnonzero(paint.any((1, 2)))
                banks = torch.cat([bank(int(z)) for z in painted], 1)
                found = errors(banks, paint[painted], truth[painted])
                if found:
                    yield {"volume": name, "rule": rule, **found}


def errors(bank: torch.Tensor, paint: Labels, truth: Labels) -> dict[str, float]:
    """Error of each estimate; empty where the strokes are too few for one."""
    values = np.unique(paint[paint > 0])
    codes = np.where(paint > 0, np.searchsorted(values, paint), -1).astype(np.int16)
    labels = torch.from_numpy(codes)
    one = Crop(image=torch.zeros(1, 1, 1, 1), features=bank, labels=labels, origin=(0, 0, 0))
    two = two_estimates([one], len(values), (1, 1, 1))
    both = estimate_frequencies([one], len(values), (1, 1, 1))
    if two is None or both is None:
        return {}
    true, shown = (np.array([(a == v).sum() for v in values]) for a in (truth, paint))
    rows = (shown / shown.sum(), two.named, two.corrected, both)
    told = zip(_TOLD, rows, strict=True)
    right = np.maximum(true / true.sum(), _RAREST)
    return {k: float(np.abs(np.log(np.maximum(v, _RAREST) / right)).mean()) for k, v in told}


def table(found: list[dict]) -> str:
    """Mean error by rule and by volume."""
    lines = ["| | runs | " + " | ".join(_TOLD) + " |", "|---" * (len(_TOLD) + 2) + "|"]
    for key in ("rule", "volume"):
        for value in dict.fromkeys(row[key] for row in found):
            lines.append(_line(value, [row for row in found if row[key] == value]))
    return "\n".join([*lines, _line("**all**", found)])


def _line(name: str, some: list[dict]) -> str:
    means = (f"{np.mean([row[told] for row in some]):.2f}" for told in _TOLD)
    return f"| {name} | {len(some)} | " + " | ".join(means) + " |"


def main() -> None:
    """Measure and print, or write into the docs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=400, help="voxels kept in Y and X")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    body = table(list(rows(options)))
    print(body)
    if options.write:
        data = " --data FOLDER" if options.data else ""
        command = (
            f"python -m benchmarks.frequencies{data} --seeds {options.seeds} --size {options.size}"
        )
        write_section("Frequencies of classes told from strokes", command, body)


if __name__ == "__main__":
    main()
