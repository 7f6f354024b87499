"""What all tests share: a machine that stays as it is, and a small painted volume."""

from __future__ import annotations

import os

# Before anything imports numpy or torch: tests run side by side on few cores.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("NAPARI_CONFIG", "")  # napari neither reads nor writes the user's settings

import numpy as np
import pytest

from napari_densify.core.volume import Volume


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what is remembered between trainings out of the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def balls(rng: np.random.Generator) -> tuple[Volume, np.ndarray]:
    """A noisy 8 x 48 x 48 image of bright balls, and its truth (1 background, 2 ball)."""
    z, y, x = np.mgrid[:8, :48, :48]
    inside = np.zeros(z.shape, bool)
    for cz, cy, cx in ((2, 12, 14), (5, 30, 34), (4, 36, 10), (3, 14, 38)):
        inside |= ((z - cz) * 2) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < 64
    image = 80 + 60 * inside + rng.normal(0, 12, z.shape)
    truth = np.where(inside, 2, 1).astype(np.uint8)
    volume = Volume(image.clip(0, 255).astype(np.uint8), (20.0, 10.0, 10.0), True, "balls")
    return volume, truth
