"""The random forest against a plain scikit-learn forest on ilastik's features, in one run.

Both learn from the same slices with the same number of trees and of training voxels, and
label the whole volume. Usage:

    python -m benchmarks.forest IMAGE LABELS [--slices 2,6] [--trees 60] [--spacing 50,4.6,4.6]
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import hessian_matrix, hessian_matrix_eigvals, structure_tensor
from skimage.feature import structure_tensor_eigenvalues as tensor_eigenvalues
from sklearn.ensemble import RandomForestClassifier

from napari_densify.classical import run_method
from napari_densify.core.volume import Volume
from napari_densify.evaluation import score_labels
from napari_densify.io import open_image, open_labels

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


def main() -> None:
    """Run both and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("labels")
    parser.add_argument("--slices", default="2,6")
    parser.add_argument("--trees", type=int, default=60)
    parser.add_argument("--samples", type=int, default=40_000)
    parser.add_argument("--spacing", default="")
    given = parser.parse_args()
    volume = open_image(given.image)
    if given.spacing:
        z, y, x = (float(s) for s in given.spacing.split(","))
        volume = volume.with_spacing((z, y, x))
    truth = open_labels(given.labels).read_labels()
    paint = np.zeros_like(truth)
    slices = [int(s) for s in given.slices.split(",")]
    paint[slices] = truth[slices]
    image = volume.read()[0]
    loaded = Volume(image, volume.spacing, volume.spacing_known)

    parameters = {"trees": given.trees, "samples": given.samples}
    results: dict[str, Any] = {"trees": given.trees, "samples": given.samples}
    for name, run in {
        "densify": lambda: run_method(
            "random_forest", loaded, annotations=paint, parameters=parameters
        ),
        "plain": lambda: plain_forest(image, paint, trees=given.trees, samples=given.samples),
    }.items():
        start, cpu = time.perf_counter(), time.process_time()
        labels = run()
        scores = score_labels(labels, truth, exclude=paint, shapes=False)
        results[name] = {
            "seconds": round(time.perf_counter() - start, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "mean_iou": scores.mean_iou,
            "mean_dice": scores.mean_dice,
        }
    results["speed_up"] = results["plain"]["seconds"] / results["densify"]["seconds"]
    results["speed_up_cpu"] = results["plain"]["cpu_seconds"] / results["densify"]["cpu_seconds"]
    results["mean_iou_gain"] = results["densify"]["mean_iou"] - results["plain"]["mean_iou"]
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
