from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.events import Plan
from napari_densify.core.labels import ClassTable
from napari_densify.core.normalisation import measure_intensity
from napari_densify.core.settings import TrainSettings
from napari_densify.core.volume import Volume
from napari_densify.training import TrainingSource, train
from napari_densify.training.resolution import needs_voxels

SIDE = 264
TABLE = ClassTable.from_values([1, 2])
TRUTH = (1 + (np.indices((SIDE, SIDE)).sum(0) // 24 % 2)).astype(np.uint8)


def texture() -> np.ndarray:
    """Lines across Y in one class, their mean in the other; every cell has both halves of them."""
    lines = np.array([40, -40, -40, 40])[np.arange(SIDE) % 4]
    return 100 + np.where(TRUTH == 1, lines[:, None], 0)


def blobs() -> np.ndarray:
    """Brightness that hardly stands out from the noise, which cells average away."""
    return 60 + 12 * ndimage.gaussian_filter(TRUTH.astype(float), 3)


def source(plane: np.ndarray) -> TrainingSource:
    noise = np.random.default_rng(0).normal(0, 14, (3, SIDE, SIDE))
    paint = np.zeros((3, SIDE, SIDE), np.uint8)
    paint[1] = TRUTH
    image = (plane + noise).clip(0, 255).astype(np.uint8)
    return TrainingSource(Volume(image), ArrayAnnotations(paint))


@pytest.mark.parametrize(("plane", "needed"), [(texture(), True), (blobs(), False)])
def test_voxels_are_kept_where_cells_lose_the_classes(plane: np.ndarray, needed: bool) -> None:
    one = source(plane)
    assert needs_voxels(one, measure_intensity(one.volume), TABLE) == needed


def test_held_out_slices_and_too_little_paint_say_nothing() -> None:
    one = source(texture())
    intensity = measure_intensity(one.volume)
    assert not needs_voxels(one, intensity, TABLE, held_out=(1,))
    dots = np.zeros((3, SIDE, SIDE), np.uint8)
    dots[1, 5:7, 5:7], dots[1, 5:7, 9:11] = 1, 2
    assert not needs_voxels(TrainingSource(one.volume, ArrayAnnotations(dots)), intensity, TABLE)


def test_a_stroke_of_a_single_row_says_nothing_and_breaks_nothing() -> None:
    one = source(texture())
    paint = np.zeros((3, SIDE, SIDE), np.uint8)
    paint[1] = TRUTH
    paint[2, 100, 50:90], paint[0, -1, :9] = 1, 2
    assert needs_voxels(
        TrainingSource(one.volume, ArrayAnnotations(paint)), measure_intensity(one.volume), TABLE
    )


@pytest.mark.parametrize(
    ("wished", "factor"), [(None, [1, 1, 1]), ((1, 2, 2), [1, 2, 2]), ("polyp", [1, 1, 1])]
)
def test_a_training_follows_unless_the_user_decides(
    wished: object, factor: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    real = needs_voxels
    monkeypatch.setattr(
        "napari_densify.training.trainer.needs_voxels", lambda *a: looked.append(a) or real(*a)
    )
    own = {"preset": wished} if isinstance(wished, str) else {"working_factor": wished}
    settings = TrainSettings(steps=1, base_channels=4, patch=(1, 32, 32), device="cpu", **own)
    events = train([source(texture())], settings, output=tmp_path / "m.safetensors")
    plan = next(e for e in events if isinstance(e, Plan))
    assert list(plan.plan["working_factor"]) == factor
    assert bool(looked) == (wished is None)
    if wished is None:
        assert "blur" in plan.cost.resolution


def test_of_a_huge_plane_only_what_lies_near_the_paint_is_read() -> None:
    side, corner = 1 << 15, 20_001
    read = []

    class Huge:
        shape, dtype = (3, side, side), np.dtype(np.uint8)

        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
            read.append([s.stop - s.start for s in key])
            return np.resize(texture(), read[-1]).astype(np.uint8)

    class Paint:
        shape = Huge.shape

        def read(self, region: tuple[slice, ...]) -> np.ndarray:
            z, y, x = (
                np.arange(s.start, s.stop) - o
                for s, o in zip(region, (1, corner, corner), strict=True)
            )
            inside = (z == 0)[:, None, None] & _within(y)[:, None] & _within(x)
            return np.where(inside, TRUTH[np.ix_(y % SIDE, x % SIDE)], 0).astype(np.uint8)

        def painted_boxes(self) -> list[tuple[slice, ...]]:
            middle = slice(corner, corner + SIDE)
            return [(slice(1, 2), middle, middle), (slice(1, 2), slice(0, 3), slice(0, 3))]

        def slice_counts(self) -> dict[int, dict[int, int]]:
            return {1: {1: 9, 2: 9}}

    volume = Volume(Huge())
    intensity = measure_intensity(volume)
    read.clear()
    needs_voxels(TrainingSource(volume, Paint()), intensity, TABLE)
    assert read
    assert max(map(max, read)) <= 512 + 2  # a window, grown to whole cells


def _within(at: np.ndarray) -> np.ndarray:
    return (at >= 0) & (at < SIDE)
