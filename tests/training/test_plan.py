from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_densify.core.settings import TrainSettings
from napari_densify.core.volume import Volume
from napari_densify.training.facts import Facts, gather_facts, measure_anisotropy
from napari_densify.training.plan import resolve_plan


def texture(sigma: tuple[float, float, float]) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((24, 96, 96))
    return ndimage.gaussian_filter(noise, sigma).astype(np.float32)


@pytest.mark.parametrize(("sigma", "low", "high"), [((4, 4, 4), 0.9, 1.2), ((1, 4, 4), 3, 6)])
def test_anisotropy_is_read_from_the_image(
    sigma: tuple[float, ...], low: float, high: float
) -> None:
    assert low <= measure_anisotropy(Volume(texture(sigma))) <= high


def test_unrelated_slices_are_seen_as_such() -> None:
    assert measure_anisotropy(Volume(texture((0, 3, 3)))) > 8


def test_a_stated_voxel_size_is_believed() -> None:
    volume = Volume(texture((4, 4, 4)), (50.0, 5.0, 5.0), spacing_known=True)
    assert gather_facts([volume], {1: 5, 2: 5}, "cpu").anisotropy == pytest.approx(10)


def test_wishes_win_over_what_is_resolved() -> None:
    facts = Facts(shape=(20, 512, 512), anisotropy=10)
    plan = resolve_plan(
        TrainSettings(
            steps=7, patch=(4, 32, 32), batch=2, working_factor=(1, 1, 1), features=False
        ),
        facts,
    )
    assert (plan.steps, plan.budget_s) == (7, None)
    assert (plan.patch, plan.batch, plan.working_factor) == ((4, 32, 32), 2, (1, 1, 1))
    assert plan.network.in_channels == 1
    assert plan.features is None


def test_the_same_facts_give_the_same_plan() -> None:
    facts = Facts(shape=(64, 400, 400), anisotropy=1.0, classes=3)
    assert resolve_plan(TrainSettings(), facts) == resolve_plan(TrainSettings(), facts)


def test_a_single_slice_gets_a_flat_network() -> None:
    plan = resolve_plan(TrainSettings(), Facts(shape=(1, 300, 300)))
    assert plan.patch[0] == 1
    assert all(k[0] == 1 for k in plan.network.kernels)
    assert plan.explanation


@pytest.mark.parametrize(
    ("depth", "anisotropy", "turns", "triplanar"),
    [
        (64, 1.0, True, True),
        (64, 2.0, True, False),
        (64, 8.0, False, False),
        (1, 1.0, False, False),
    ],
)
def test_other_axes_are_used_where_voxels_are_about_cubic(
    depth: int, anisotropy: float, turns: bool, triplanar: bool
) -> None:
    facts = Facts(shape=(depth, 200, 200), anisotropy=anisotropy)
    plan = resolve_plan(TrainSettings(), facts)
    assert (plan.turns, plan.triplanar) == (turns, triplanar)
    assert not resolve_plan(TrainSettings(preset="paper-3d"), facts).triplanar


@pytest.mark.parametrize(
    ("wishes", "slow", "width"),
    [
        ({}, False, 16),
        ({}, True, 8),
        ({"budget_s": 600.0}, True, 16),
        ({"steps": 100}, True, 16),  # counted steps give the same network on every machine
        ({"base_channels": 24}, True, 24),
    ],
)
def test_a_slow_processor_gets_a_narrower_network(wishes: dict, slow: bool, width: int) -> None:
    facts = Facts(shape=(20, 512, 512), slow=slow)
    assert resolve_plan(TrainSettings(**wishes), facts).network.encoder[0] == (width, width)


@pytest.mark.parametrize(
    ("shape", "anisotropy", "wished", "planar"),
    [
        ((64, 128, 128), 1.0, None, False),
        ((64, 512, 512), 6.0, None, False),  # cells of 2 x 2 pixels are twice as wide
        ((64, 128, 128), 5.0, None, True),
        ((4, 128, 128), 1.0, None, True),
        ((64, 128, 128), 1.0, 0, True),
        ((64, 128, 128), 9.0, 2, False),
    ],
)
def test_features_look_across_slices_where_these_are_close(
    shape: tuple[int, int, int], anisotropy: float, wished: float | None, planar: bool
) -> None:
    wishes = TrainSettings(feature_depth=wished)
    plan = resolve_plan(wishes, Facts(shape=shape, anisotropy=anisotropy))
    assert plan.features is not None
    assert plan.features.planar == planar
    assert (plan.features.reach == 0) == planar


def test_papers_know_nothing_of_affinity() -> None:
    facts = Facts(shape=(64, 128, 128))
    assert resolve_plan(TrainSettings(preset="paper-3d"), facts).affinity == 0
    assert resolve_plan(TrainSettings(), facts).affinity > 0
    assert resolve_plan(TrainSettings(affinity=0), facts).affinity == 0
