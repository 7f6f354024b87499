"""The random forest against a plain scikit-learn forest on ilastik's features, in one run.

Both learn from the same slices with the same number of trees and of training voxels, and
label the whole volume, in turns; times are the medians of the rounds. Usage:

    python -m benchmarks.forest IMAGE LABELS [--slices 2,6] [--trees 60] [--spacing 50,4.6,4.6]
        [--rounds 1] [--size 512] [--write]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import hessian_matrix, hessian_matrix_eigvals, structure_tensor
from skimage.feature import structure_tensor_eigenvalues as tensor_eigenvalues
from sklearn.ensemble import RandomForestClassifier

from benchmarks.page import busy, write_section
from napari_densify.classical import run_method
from napari_densify.core.volume import Volume
from napari_densify.evaluation import score_labels
from napari_densify.io import open_image, open_labels

TITLE = "The random forest against scikit-learn's on ilastik's features"

# ilastik's default scales and features.
SIGMAS = (0.7, 1.0, 1.6, 3.5, 5.0, 10.0)


def ilastik_features(plane: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Intensity, edges and texture at ilastik's scales, ``(F, Y, X)``."""
    plane = plane.astype(np.float32)
    rows = [ndimage.gaussian_filter(plane, 0.3)]
    for sigma in SIGMAS:
        smooth = ndimage.gaussian_filter(plane, sigma)
        rows += [
            smooth,
            ndimage.gaussian_laplace(plane, sigma),
            ndimage.gaussian_gradient_magnitude(plane, sigma),
            smooth - ndimage.gaussian_filter(plane, 0.66 * sigma),
            *hessian_matrix_eigvals(hessian_matrix(plane, sigma, use_gaussian_derivatives=False)),
            *tensor_eigenvalues(structure_tensor(plane, sigma)),
        ]
    return np.stack(rows).astype(np.float32)


def plain_forest(
    image: npt.NDArray[Any], paint: npt.NDArray[Any], *, trees: int, samples: int
) -> npt.NDArray[Any]:
    """Label a volume as one would with scikit-learn's defaults."""
    rng = np.random.default_rng(0)
    features, codes = [], []
    for z in np.flatnonzero(paint.any((1, 2))):
        table = ilastik_features(image[z])
        labels = paint[z].ravel()
        found = np.flatnonzero(labels)
        share = samples // int(paint.any((1, 2)).sum())
        found = rng.choice(found, min(share, len(found)), replace=False)
        features.append(table.reshape(len(table), -1)[:, found].T)
        codes.append(labels[found])
    model = RandomForestClassifier(trees, n_jobs=-1, random_state=0)
    model.fit(np.concatenate(features), np.concatenate(codes))
    out = np.empty(image.shape, np.uint8)
    for z, plane in enumerate(image):
        table = ilastik_features(plane)
        out[z] = model.predict(table.reshape(len(table), -1).T).reshape(plane.shape)
    return out


def measure(run: Callable[[], npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], float, float]:
    """Labels, seconds by the clock, seconds of processor time."""
    start, cpu = time.perf_counter(), time.process_time()
    labels = run()
    return labels, time.perf_counter() - start, time.process_time() - cpu


def compare(given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Run both, in turns, on one volume."""
    volume = open_image(given.image)
    if given.spacing:
        z, y, x = (float(s) for s in given.spacing.split(","))
        volume = volume.with_spacing((z, y, x))
    part = (slice(None), slice(0, given.size), slice(0, given.size))
    truth = open_labels(given.labels).read_labels()[part]
    paint = np.zeros_like(truth)
    slices = [int(s) for s in given.slices.split(",")]
    paint[slices] = truth[slices]
    image = volume.read()[0][part]
    loaded = Volume(image, volume.spacing, volume.spacing_known)
    parameters = {"trees": given.trees, "samples": given.samples}
    runs = {
        "densify": lambda: run_method(
            "random_forest", loaded, annotations=paint, parameters=parameters
        ),
        "plain": lambda: plain_forest(image, paint, trees=given.trees, samples=given.samples),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    scores = {}
    for _ in range(given.rounds):
        for name, run in runs.items():
            labels, wall, cpu = measure(run)
            found[name].append((wall, cpu))
            scores[name] = score_labels(labels, truth, exclude=paint, shapes=False)
    return {
        name: {
            "mean IoU": scores[name].mean_iou,
            "mean Dice": scores[name].mean_dice,
            "seconds": float(np.median([wall for wall, _ in times])),
            "processor seconds": float(np.median([cpu for _, cpu in times])),
        }
        for name, times in found.items()
    }


def table(found: dict[str, dict[str, float]], given: argparse.Namespace) -> str:
    """Both as Markdown, and what they come to."""
    columns = list(found["plain"])
    lines = ["| forest | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in found.items():
        digits = [3 if "mean" in c else 1 for c in columns]
        cells = [f"{row[c]:.{n}f}" for c, n in zip(columns, digits, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    ours, plain = found["densify"], found["plain"]
    lines += [
        "",
        f"{given.trees} trees, {given.samples} training voxels, slices {given.slices} painted, "
        f"training and labelling the whole volume; medians of {given.rounds} round(s). "
        f"Densify: mean IoU {ours['mean IoU'] - plain['mean IoU']:+.3f}, "
        f"{plain['seconds'] / ours['seconds']:.1f} times as fast by the clock, "
        f"{plain['processor seconds'] / ours['processor seconds']:.1f} times by processor time. "
        f"{busy()}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("labels")
    parser.add_argument("--slices", default="2,6")
    parser.add_argument("--trees", type=int, default=60)
    parser.add_argument("--samples", type=int, default=40_000)
    parser.add_argument("--spacing", default="")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--size", type=int, default=None, help="Only so much of Y and X")
    parser.add_argument("--write", action="store_true", help="Write to docs/benchmarks.md")
    given = parser.parse_args()
    text = table(compare(given), given)
    print(text)
    if given.write:
        words = f"--slices {given.slices} --trees {given.trees} --rounds {given.rounds}"
        name = Path(given.image).parent.name
        write_section(
            f"{TITLE}, {name}",
            f"python -m benchmarks.forest {name}/image.tif {name}/labels.tif {words} --write",
            text,
        )


if __name__ == "__main__":
    main()
