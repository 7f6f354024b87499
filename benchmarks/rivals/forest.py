"""Densify's random forest; for a second volume both are laid end to end.

Planar features of one volume do not see the other. Each volume is normalised by itself first.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.rivals import Job, Spent
from napari_densify.classical import run_method
from napari_densify.core.volume import Volume

__all__: list[str] = []


def main(features: str = "2d") -> None:
    """Label all images of the job with features of slices or, ``3d``, of volumes."""
    job = Job.from_arguments()
    images = [job.image(i) for i in range(len(job.images))]
    values, indices = job.classes_of_paint()
    paint = np.where(indices >= 0, values[indices], 0).astype(np.uint8)
    size = np.max([image.shape for image in images], axis=0)[1:]
    stack = np.concatenate([_fit(image, size, "symmetric") for image in images])
    painted = np.zeros(stack.shape, np.uint8)
    painted[: len(paint)] = _fit(paint, size, "constant")
    volume = Volume(stack, job.spacing, True)
    began = time.monotonic()
    parameters = {"seed": job.seed, "features": features}
    labels = run_method("random_forest", volume, annotations=painted, parameters=parameters)
    first = 0
    for number, image in enumerate(images):
        _, y, x = image.shape
        job.write(number, labels[first : first + len(image), :y, :x])
        first += len(image)
    job.finish(Spent(seconds=time.monotonic() - began))


def _fit(volume: np.ndarray, size: np.ndarray, mode: str) -> np.ndarray:
    """Grow the planes to a common size."""
    more = [(0, 0), *((0, int(n - m)) for n, m in zip(size, volume.shape[1:], strict=True))]
    return np.pad(volume, more, mode)


if __name__ == "__main__":
    main()
