"""Fine-tuning takes over what an earlier model knows, and says what differs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.errors import InputError
from napari_densify.core.events import Event, Notice, StepDone
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import (
    FeatureConfig,
    NetworkConfig,
    TrainSettings,
    apply_overrides,
)
from napari_densify.core.volume import Volume
from napari_densify.networks import load_model
from napari_densify.training import Extras, TrainingSource, train
from napari_densify.training.facts import Facts
from napari_densify.training.plan import resolve_plan
from napari_densify.training.transfer import match_inputs

TWO = ClassTable.from_values([1, 2], names={1: "cell", 2: "gap"})
THREE = ClassTable.from_values([1, 2, 3], names={1: "gap", 2: "cell", 3: "vesicle"})


def source(swap: bool = False, spacing: tuple[float, float, float] = (8, 8, 8)) -> TrainingSource:
    z, y, x = np.mgrid[:4, :40, :40]
    truth = (1 + (y // 10 + x // 13) % 2 + 0 * z).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 10, truth.shape)
    image = (truth * 60 + noise).clip(0, 255).astype(np.uint8)
    labels = (3 - truth) if swap else truth
    paint = np.where(z == 1, labels, 0).astype(np.uint8)
    if swap:
        paint[1, :3, :3] = 3
    volume = Volume(image, spacing=spacing, spacing_known=True)
    return TrainingSource(volume, ArrayAnnotations(paint))


def run(
    output: Path, table: ClassTable, data: TrainingSource, *wishes: str, init: Path | None = None
) -> list[Event]:
    settings = apply_overrides(
        TrainSettings(),
        ["threads=1", "device=cpu", "patch=2,24,24", "batch=2", *wishes],
    )
    return list(train([data], settings, output=output, classes=table, extras=Extras(init=init)))


def losses(events: list[Event]) -> list[float]:
    return [e.loss for e in events if isinstance(e, StepDone)]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("first") / "first.safetensors"
    run(path, TWO, source(), "steps=30", "base_channels=4", "depth=3")
    return path


def test_a_model_with_swapped_and_new_classes_starts_where_it_ended(
    first: Path, tmp_path: Path
) -> None:
    """The codes changed, the names did not: what was learned holds from the first step."""
    tuned = run(tmp_path / "a.safetensors", THREE, source(swap=True), "steps=2",
                "class_weights=none", init=first)  # fmt: skip
    fresh = run(tmp_path / "b.safetensors", THREE, source(swap=True), "steps=2",
                "class_weights=none", "base_channels=4", "depth=3")  # fmt: skip
    assert losses(tuned)[0] < 0.8 * losses(fresh)[0]
    spec = load_model(tmp_path / "a.safetensors").spec
    assert spec.network.encoder == load_model(first).spec.network.encoder
    assert [c.name for c in spec.classes.classes] == ["gap", "cell", "vesicle"]


def test_the_encoder_can_be_frozen(first: Path, tmp_path: Path) -> None:
    run(tmp_path / "a.safetensors", TWO, source(), "steps=3", "encoder_rate=0", "ema=0", init=first)
    old = load_model(first).network.state_dict()
    new = load_model(tmp_path / "a.safetensors").network.state_dict()
    learned = [k for k in old if k.startswith("encoder.") and k.endswith(("weight", "bias"))]
    assert all(torch.equal(new[k], old[k]) for k in learned)
    assert any(not torch.equal(new[k], old[k]) for k in old if k.startswith("heads."))


def test_another_voxel_size_and_missing_classes_are_said(first: Path, tmp_path: Path) -> None:
    table = ClassTable.from_values([1, 2], names={1: "cell", 2: "wall"})
    events = run(
        tmp_path / "a.safetensors", table, source(spacing=(8, 4, 4)), "steps=1", init=first
    )
    said = " ".join(e.message for e in events if isinstance(e, Notice))
    assert "voxels of 8 x 4 x 4 nm" in said
    assert "working_factor=1,2,2" in said
    assert "gap" in said
    quiet = run(tmp_path / "b.safetensors", TWO, source(), "steps=1", init=first)
    assert not [e for e in quiet if isinstance(e, Notice) and e.level == "warning"]


def spec(**changes: object) -> ModelSpec:
    return ModelSpec.model_validate(
        {"network": NetworkConfig(), "classes": TWO, "spacing": (1, 1, 1), **changes}
    )


def test_input_channels_are_matched_by_what_they_are() -> None:
    features = FeatureConfig(sigmas=(1.0, 2.0), kinds=("intensity",))
    more = FeatureConfig(sigmas=(2.0, 4.0), kinds=("intensity",))
    assert match_inputs(spec(), spec()) == [0]
    assert match_inputs(spec(features=features), spec(features=more)) == [0, 2, None]
    assert match_inputs(spec(), spec(neighbours=1)) == [None, 0, None]
    assert match_inputs(spec(neighbours=1, features=features), spec()) == [1]
    assert match_inputs(spec(), spec(image_channels=2)) == [0, None]


def test_an_earlier_model_decides_what_the_user_left_open() -> None:
    earlier = spec(
        network=NetworkConfig(norm="batch", in_channels=5, out_channels=2),
        working_factor=(1, 2, 2), subvoxel=True, patch=(2, 32, 32),
    )  # fmt: skip
    facts = Facts(shape=(20, 100, 100), channels=2, classes=3)
    plan = resolve_plan(TrainSettings(), facts, earlier)
    assert plan.network.norm == "batch"
    assert (plan.network.in_channels, plan.network.out_channels) == (2 * 4, 3 * 4)
    assert (plan.working_factor, plan.subvoxel, plan.patch) == ((1, 2, 2), True, (2, 32, 32))
    assert plan.features is None
    assert plan.guidance == 0  # a forest would have no features to learn from
    wishes = TrainSettings(patch=(4, 16, 16), features=True, norm="group")
    wished = resolve_plan(wishes, facts, earlier)
    assert wished.patch == (4, 16, 16)
    assert wished.network.norm == "group"
    assert wished.features is not None
    assert wished.guidance > 0
    deep = resolve_plan(TrainSettings(feature_depth=1), facts, earlier)
    assert deep.features is not None
    assert deep.features.depth == 1


@pytest.mark.parametrize("wish", [{"depth": 3}, {"base_channels": 8}])
def test_another_size_than_that_of_the_earlier_network_is_refused(wish: dict[str, int]) -> None:
    network = NetworkConfig()
    has = {"depth": len(network.encoder), "base_channels": network.encoder[0][0]}
    facts = Facts(shape=(20, 100, 100))
    resolve_plan(TrainSettings(**{name: has[name] for name in wish}), facts, spec())
    (name, value), = wish.items()  # fmt: skip
    with pytest.raises(InputError, match=f"{name}={value}, but the model to start from has"):
        resolve_plan(TrainSettings(**wish), facts, spec())


def test_strokes_on_a_model_without_features_need_no_forest(tmp_path: Path) -> None:
    plain = tmp_path / "plain.safetensors"
    run(plain, TWO, source(), "steps=1", "base_channels=4", "depth=2", "features=false")
    one = source()
    paint = np.zeros(one.volume.shape, np.uint8)
    paint[1, 12, 3:30] = one.annotations.read((slice(1, 2), slice(12, 13), slice(3, 30)))[0, 0]
    strokes = TrainingSource(one.volume, ArrayAnnotations(paint))
    events = run(tmp_path / "b.safetensors", TWO, strokes, "steps=2", init=plain)
    assert len(losses(events)) == 2
