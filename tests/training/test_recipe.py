"""Wishes laid over presets and defaults."""

import pytest

from napari_densify.core.errors import InputError
from napari_densify.core.settings import TrainSettings, apply_overrides
from napari_densify.networks import build_network, count_parameters
from napari_densify.training.augment import AUGMENTATIONS
from napari_densify.training.facts import Facts
from napari_densify.training.plan import TrainPlan, resolve_plan
from napari_densify.training.presets import PRESETS
from napari_densify.training.recipe import resolve_recipe

FACTS = Facts(shape=(30, 512, 512), channels=3, classes=3)


def plan(*pairs: str) -> TrainPlan:
    return resolve_plan(apply_overrides(TrainSettings(), list(pairs)), FACTS)


def test_the_paper_is_planned_to_the_letter() -> None:
    found = plan("preset=paper-3d")
    assert found.patch == (116, 132, 132)
    assert found.batch == 1
    assert found.optimiser == "sgd"
    assert found.loss.kind == "weighted-ce"
    assert (found.augment.elastic_sd, found.augment.elastic_grid) == (4, 32)
    assert found.features is None
    assert found.working_factor == (1, 1, 1)
    assert found.network.batch_statistics
    assert found.margin == (44, 44, 44)
    assert count_parameters(build_network(found.network), batch_norm=False) == 19_069_955


def test_single_wishes_override_a_preset() -> None:
    found = plan(
        "preset=paper-2d", "optimiser=adam", "learning_rate=0.002", "loss=dice", "augment=none",
        "schedule=cosine", "class_weights=none", "batch=3", "momentum=0.5", "ema=0.9",
    )  # fmt: skip
    assert (found.optimiser, found.learning_rate, found.momentum) == ("adam", 0.002, 0.5)
    assert found.loss.kind == "dice"
    assert found.loss.border_w0 == 10
    assert found.augment.model_dump() == AUGMENTATIONS["none"].model_dump()
    assert found.schedule.kind == "cosine"
    assert (found.class_weights, found.batch, found.ema) == ("none", 3, 0.9)


def test_parameters_of_parts_are_set_by_name() -> None:
    found = plan(
        "preset=paper-2d", "loss.border_w0=7", "augment.elastic_sd=3", "schedule.drops=5",
        "network.dropout=0.25",
    )  # fmt: skip
    assert found.loss.border_w0 == 7
    assert found.loss.kind == "border-ce"
    assert found.augment.elastic_sd == 3
    assert found.schedule.drops == 5
    assert found.network.dropout == 0.25
    assert found.network.encoder == PRESETS["paper-2d"].network.encoder
    assert plan("network.attention=true", "loss.kind=focal").network.attention


def test_an_optimiser_brings_a_rate_that_suits_it() -> None:
    assert resolve_recipe(TrainSettings(optimiser="adamw")).learning_rate == 3e-3
    assert resolve_recipe(TrainSettings(optimiser="sgd", learning_rate=0.5)).learning_rate == 0.5


def test_width_scales_every_level() -> None:
    found = plan("preset=paper-3d", "base_channels=8").network
    assert found.encoder == ((8, 16), (16, 32), (32, 64), (64, 128))
    assert found.up_channels == (32, 64, 128)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["preset=paper-5d"], "paper-3d"),
        (["loss.gamma=3"], "unknown setting 'gamma'"),
        (["loss.focal_gamma=-3"], "focal_gamma"),
        (["head.size=3"], "the parts are"),
        (["preset=paper-3d", "depth=2"], "leave depth out"),
        (["preset=paper-3d", "patch=64,64,64"], "next larger size that fits"),
        (["preset=paper-2d", "network.padding=half"], "padding"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(pairs: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        plan(*pairs)
    assert "\n" not in str(error.value)
