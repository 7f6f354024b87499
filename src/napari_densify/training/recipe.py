"""The training rule: a preset, or the defaults, with what the user wishes laid over it."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import Field

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError
from napari_densify.core.recipes import AugmentConfig, LossConfig, ScheduleConfig
from napari_densify.core.settings import (
    NetworkConfig,
    TrainSettings,
    Triple,
    apply_overrides,
)
from napari_densify.networks import output_shape
from napari_densify.training.augment import AUGMENTATIONS, resolve_augmentation
from napari_densify.training.presets import Preset

__all__ = ["Recipe", "preset_network", "resolve_recipe"]

S = TypeVar("S", bound=Settings)
_PARTS = ("network", "loss", "augment", "schedule")


class Recipe(Settings):
    """Everything about a training but its network and data.

    The defaults are those of the ``auto`` preset.
    """

    optimiser: Literal["muon", "adamw", "adam", "sgd"] = "muon"
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-2
    encoder_rate: float = 1.0
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    class_weights: Literal["none", "sqrt", "inverse"] = "none"
    augment: AugmentConfig = AUGMENTATIONS["light"]
    ema: float = Field(0.99, ge=0, lt=1)
    keep: Literal["last", "best"] = "last"
    early_stop: float | None = None
    mirrors: int = Field(8, ge=1, le=8)


# Rates that suit an optimiser, where the user chose it and not the rate.
_RATES = {"muon": 0.05, "adamw": 3e-3, "adam": 1e-3, "sgd": 1e-2}


def resolve_recipe(settings: TrainSettings, preset: Preset | None = None) -> Recipe:
    """Lay the user's wishes over a preset, or over the defaults.

    Raises
    ------
    InputError
        For an option of a part that doesn't exist, or a value out of bounds.
    """
    check_options(settings)
    base = Recipe()
    if preset is not None:
        shared = Recipe.model_fields.keys() & Preset.model_fields.keys()
        base = Recipe(**{name: getattr(preset, name) for name in shared})
    wished: dict[str, Any] = {
        name: value
        for name in ("optimiser", "learning_rate", "momentum", "weight_decay", "class_weights",
                     "ema", "keep", "early_stop")
        if (value := getattr(settings, name)) is not None
    }  # fmt: skip
    if "optimiser" in wished and "learning_rate" not in wished:
        wished["learning_rate"] = _RATES[wished["optimiser"]]
    loss = base.loss.model_copy(update={"kind": settings.loss}) if settings.loss else base.loss
    schedule = base.schedule
    if settings.schedule:
        schedule = schedule.model_copy(update={"kind": settings.schedule})
    augment = resolve_augmentation(settings.augment) if settings.augment else base.augment
    return base.model_copy(
        update={
            **wished,
            "encoder_rate": settings.encoder_rate,
            "loss": with_options(loss, "loss", settings),
            "schedule": with_options(schedule, "schedule", settings),
            "augment": with_options(augment, "augment", settings),
        }
    )


def preset_network(
    settings: TrainSettings, preset: Preset, *, in_channels: int, out_channels: int
) -> tuple[NetworkConfig, Triple]:
    """Network and input patch of a preset, as wide and deep as the user wants it.

    Raises
    ------
    InputError
        If the patch does not fit valid convolutions, or the depth was to be changed.
    """
    if settings.depth is not None and settings.depth != len(preset.network.encoder):
        raise InputError(
            f"depth = {settings.depth}, but this preset has {len(preset.network.encoder)} levels",
            where="--set",
            mend="leave depth out, or use the preset auto",
        )
    changes: dict[str, Any] = {"in_channels": in_channels, "out_channels": out_channels}
    if settings.norm is not None:
        changes["norm"] = settings.norm
    network = preset.network.model_copy(update=changes)
    if settings.base_channels is not None:
        network = _scaled(network, settings.base_channels)
    network = with_options(network, "network", settings)
    patch = settings.patch or preset.patch
    output_shape(network, patch)
    return network, patch


def check_options(settings: TrainSettings) -> None:
    """Refuse options of parts that don't exist."""
    for text in settings.options:
        part, dot, _ = text.partition("=")[0].partition(".")
        if not dot or part not in _PARTS or "=" not in text:
            raise InputError(
                f"{text!r} is not part.name=value",
                where="--set",
                mend=f"the parts are {', '.join(_PARTS)}",
            )


def with_options(config: S, part: str, settings: TrainSettings) -> S:
    """Lay the options of one part over its settings."""
    head = f"{part}."
    pairs = [text.removeprefix(head) for text in settings.options if text.startswith(head)]
    return apply_overrides(config, pairs) if pairs else config


def _scaled(network: NetworkConfig, base: int) -> NetworkConfig:
    """Make a network whose finest level has ``base`` channels, all others in proportion."""
    ratio = base / network.encoder[0][0]

    def width(channels: int) -> int:
        return channels if channels < 4 else max(1, round(channels * ratio))

    return network.model_copy(
        update={
            "encoder": tuple(tuple(width(c) for c in row) for row in network.encoder),
            "decoder": tuple(tuple(width(c) for c in row) for row in network.decoder),
            "up_channels": network.up_channels and tuple(width(c) for c in network.up_channels),
        }
    )
