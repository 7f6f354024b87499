from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_densify.core.errors import InputError
from napari_densify.core.settings import (
    FeatureConfig,
    NetworkConfig,
    PredictSettings,
    TrainSettings,
    apply_overrides,
)

MODELS = [FeatureConfig, NetworkConfig, TrainSettings, PredictSettings]


@pytest.mark.parametrize("model", MODELS)
def test_settings_are_immutable_and_survive_json(model):
    settings = model()
    assert model.model_validate_json(settings.model_dump_json()) == settings
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, next(iter(model.model_fields)), None)


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_has_a_title_for_the_form(model):
    assert [name for name, f in model.model_fields.items() if not f.title] == []


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    [
        ("budget_s=30", "budget_s", 30.0),
        ("budget-s = 30", "budget_s", 30.0),
        ("patch=[8,64,64]", "patch", (8, 64, 64)),
        ("patch=8,64,64", "patch", (8, 64, 64)),
        ("features=false", "features", False),
        ("features=none", "features", None),
        ("device=cuda:1", "device", "cuda:1"),
        ("optimiser=sgd", "optimiser", "sgd"),
        ("seed=7", "seed", 7),
    ],
)
def test_overrides_are_parsed(pair, name, value):
    assert getattr(apply_overrides(TrainSettings(), [pair]), name) == value


def test_overrides_leave_the_rest_alone():
    start = TrainSettings(steps=5, seed=3)
    assert apply_overrides(start, {"seed": 4}) == TrainSettings(steps=5, seed=4)
    assert start.seed == 3


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        ("stepz=5", "unknown setting 'stepz'.*one of:.*steps"),
        ("steps", "'steps' is not name=value"),
        ("steps=0", "steps = 0 is not valid"),
        ("learning_rate=2", "learning_rate = 2 is not valid"),
        ("optimiser=best", "optimiser = 'best' is not valid"),
        ("patch=8,64", "patch"),
    ],
)
def test_bad_overrides_are_one_clear_line(pair, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        apply_overrides(TrainSettings(), [pair])
    assert "\n" not in str(caught.value)
    assert "--set" in str(caught.value)


def test_models_of_earlier_versions_are_read_or_refused_in_words():
    assert FeatureConfig.model_validate({"planar": True, "anisotropy": 1.0}) == FeatureConfig()
    with pytest.raises(ValidationError, match="earlier version; train the model again"):
        FeatureConfig.model_validate({"planar": False, "anisotropy": 2.0})
