"""scikit-image's recipe: multiscale basic features, slice by slice, and a random forest.

The parameters are those of its gallery example "Trainable segmentation using local
features and random forests", with more trees on more voxels.
"""

from __future__ import annotations

import time

import numpy as np
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from benchmarks.rivals import Job, Spent

__all__: list[str] = []

_VOXELS = 60_000


def main() -> None:
    """Learn from the painted slices, label all images of the job."""
    job = Job.from_arguments()
    began = time.monotonic()
    forest, values = _learn(job)
    learned = time.monotonic() - began
    for number in range(len(job.images)):
        rows = [
            forest.predict(_features(plane).reshape(plane.size, -1)).reshape(plane.shape)
            for plane in job.image(number)
        ]
        job.write(number, values[np.stack(rows)])
    job.finish(Spent(seconds=learned, predict_seconds=time.monotonic() - began - learned))


def _learn(job: Job) -> tuple[RandomForestClassifier, np.ndarray]:
    image, (values, paint) = job.image(0), job.classes_of_paint()
    painted = np.flatnonzero((paint >= 0).any((1, 2)))
    random = np.random.default_rng(job.seed)
    rows, targets = [], []
    for z in painted:
        where = np.flatnonzero(paint[z] >= 0)
        where = random.permutation(where)[: _VOXELS // len(painted)]
        rows.append(_features(image[z]).reshape(image[z].size, -1)[where])
        targets.append(paint[z].ravel()[where])
    forest = RandomForestClassifier(100, max_features="sqrt", n_jobs=-1, random_state=job.seed)
    return forest.fit(np.concatenate(rows), np.concatenate(targets)), values


def _features(plane: np.ndarray) -> np.ndarray:
    """Intensity, edges and texture at scales from 0.5 to 16 pixels, ``(Y, X, F)``."""
    return multiscale_basic_features(plane, sigma_min=0.5, sigma_max=16)


if __name__ == "__main__":
    main()
