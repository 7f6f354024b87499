"""The table of presets in the documentation, recomputed."""

from pathlib import Path

import pytest
import torch

from napari_densify.core.base import Settings
from napari_densify.core.recipes import AugmentConfig, LossConfig, ScheduleConfig
from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import build_network, count_parameters, output_shape
from napari_densify.training.presets import PRESETS

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"


def rows() -> dict[str, list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    cells = [[c.strip().strip("`") for c in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


def voxels(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_documented_as_it_is(name: str) -> None:
    preset = PRESETS[name]
    with torch.device("meta"):
        count = count_parameters(build_network(preset.network), batch_norm=False)
    assert rows()[name] == [
        preset.title,
        f"{count:,}",
        voxels(preset.patch),
        voxels(output_shape(preset.network, preset.patch)),
        preset.loss.kind,
        f"{preset.optimiser} {preset.learning_rate:g}",
        preset.schedule.kind,
        preset.source,
    ]


@pytest.mark.parametrize(
    ("part", "model"),
    [
        ("network", NetworkConfig),
        ("loss", LossConfig),
        ("augment", AugmentConfig),
        ("schedule", ScheduleConfig),
    ],
)
def test_every_parameter_is_documented(part: str, model: type[Settings]) -> None:
    documented = {n.removeprefix(f"{part}.") for n in rows() if n.startswith(f"{part}.")}
    assert documented == model.model_fields.keys()
