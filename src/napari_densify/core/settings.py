"""Settings, declared once: the form, the CLI option, the JSON and the checkpoint follow.

Every field carries ``title`` (label in the form), ``description`` (tooltip and CLI
help) and bounds; units stand in ``json_schema_extra={"unit": ...}``. ``None``
means *decide from the data*; a pure ``resolve_*`` function in the layer concerned
turns wishes plus facts into one frozen plan.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError
from napari_densify.core.recipes import LossKind, PresetName, ScheduleKind

__all__ = [
    "FeatureConfig",
    "NetworkConfig",
    "PredictSettings",
    "Settings",
    "TrainSettings",
    "Triple",
    "apply_overrides",
    "parse_pairs",
]

Triple = tuple[int, int, int]
S = TypeVar("S", bound="Settings")


class FeatureConfig(Settings):
    """Multiscale image features that the network sees beside the raw intensities."""

    sigmas: tuple[float, ...] = Field(
        (0.7, 1.6, 3.5, 7.0, 14.0),
        title="Scales",
        description="Standard deviations of the Gaussians, in voxels of the working grid along X",
        json_schema_extra={"unit": "voxels"},
    )
    kinds: tuple[Literal["intensity", "edges", "hessian"], ...] = Field(
        ("intensity", "edges", "hessian"),
        title="Features",
        description="Which responses are computed at each scale",
    )
    planar: bool = Field(True, title="Slice by slice", description="Filter in XY only, not along Z")


class NetworkConfig(Settings):
    """A network, completely: enough to rebuild it before loading its weights."""

    architecture: Literal["unet", "fcn"] = Field("unet", title="Architecture")
    in_channels: int = Field(1, ge=1, title="Input channels")
    out_channels: int = Field(2, ge=1, title="Classes")
    encoder: tuple[tuple[int, ...], ...] = Field(
        ((16, 16), (32, 32), (64, 64), (128, 128)),
        title="Encoder",
        description="Channels of each convolution, level by level from the finest",
    )
    decoder: tuple[tuple[int, ...], ...] = Field(
        ((16, 16), (32, 32), (64, 64)),
        title="Decoder",
        description="Channels of each convolution, level by level from the finest",
    )
    kernels: tuple[Triple, ...] = Field(
        ((3, 3, 3),) * 4, title="Kernels", description="Kernel size (Z, Y, X) of each level"
    )
    pools: tuple[Triple, ...] = Field(
        ((2, 2, 2),) * 3,
        title="Pooling",
        description="Pooling factor (Z, Y, X) between neighbouring levels",
    )
    padding: Literal["same", "valid"] = Field("same", title="Padding")
    norm: Literal["group", "batch", "instance", "none"] = Field("group", title="Normalisation")
    norm_groups: int = Field(4, ge=1, title="Groups", description="Groups of group normalisation")
    activation: Literal["relu", "leaky_relu", "silu", "prelu", "elu"] = Field(
        "relu", title="Activation"
    )
    down: Literal["max", "average", "strided", "dilated"] = Field("max", title="Down-sampling")
    up: Literal["nearest", "linear", "transposed", "resize_conv"] = Field(
        "nearest", title="Up-sampling"
    )
    up_channels: tuple[int, ...] | None = Field(
        None,
        title="Up-convolution channels",
        description="Channels after up-sampling to each decoder level; None: an up-convolution "
        "gives as many as its skip, nearest and linear keep what they get",
    )
    up_kernel: Triple | None = Field(
        None,
        title="Kernel of resize_conv",
        description="Kernel (Z, Y, X) of the convolution after up-sampling; None: as the level",
    )
    up_bias: bool = Field(True, title="Bias in up-convolutions")
    up_activation: bool = Field(
        False, title="Activated up-convolutions", description="Normalise and activate them too"
    )
    skip: Literal["concat", "sum"] = Field("concat", title="Skip connections")
    residual: bool = Field(False, title="Residual blocks")
    attention: bool = Field(False, title="Attention gates")
    deep_supervision: bool = Field(False, title="Deep supervision")
    dropout: float = Field(0.0, ge=0, lt=1, title="Dropout at the bottleneck")
    dropout_levels: int = Field(
        1, ge=1, title="Levels with dropout", description="That many, from the coarsest up"
    )
    head: Literal["softmax", "sigmoid"] = Field("softmax", title="Output")
    batch_statistics: bool = Field(
        False,
        title="Batch statistics",
        description="Batch normalisation with the batch's own statistics in prediction too",
    )
    dilations: tuple[int, ...] | None = Field(
        None, title="Dilations", description="Of the encoder's convolutions, level by level"
    )
    slice_context: int = Field(
        0,
        ge=0,
        le=8,
        title="Neighbouring slices",
        description="Slices above and below that are given as further channels (2.5D)",
    )
    score_levels: int = Field(
        3, ge=1, title="Score levels", description="Coarsest levels that an FCN sums scores of"
    )

    @model_validator(mode="after")
    def _check(self) -> NetworkConfig:
        levels = len(self.encoder)
        if not 1 <= levels <= 8:
            raise ValueError("a network has 1 to 8 levels")
        widths = [n for row in (*self.encoder, *self.decoder) for n in row]
        widths += self.up_channels or ()
        if not all(self.encoder) or not all(1 <= n <= 8192 for n in widths):
            raise ValueError("each level needs convolutions of 1 to 8192 channels")
        if not all(1 <= n <= 15 for row in (*self.kernels, *self.pools) for n in row):
            raise ValueError("kernels and pools are 1 to 15 voxels wide")
        wanted = {"kernels": levels, "pools": levels - 1}
        wanted |= {"decoder": levels - 1} if self.architecture == "unet" else {}
        wanted |= {"up_channels": levels - 1} if self.up_channels else {}
        wanted |= {"dilations": levels} if self.dilations else {}
        for name, count in wanted.items():
            if len(getattr(self, name)) != count:
                raise ValueError(f"{levels} levels need {count} {name}")
        return self._check_valid()

    def _check_valid(self) -> NetworkConfig:
        if self.padding == "valid" and (
            self.architecture == "fcn"
            or self.up not in ("transposed", "nearest")
            or self.down == "dilated"
            or self.deep_supervision
            or self.dilations
        ):
            raise ValueError(
                "valid convolutions go with a U-Net, transposed or nearest up-sampling, no "
                "dilation and no deep supervision"
            )
        return self


class TrainSettings(Settings):
    """What a user may wish of a training; everything left at None is resolved."""

    preset: PresetName = Field(
        "auto",
        title="Preset",
        description="Network and training rule: auto and fast are chosen from the data, the "
        "others follow a paper",
    )
    budget_s: Annotated[float, Field(gt=0)] | None = Field(
        None,
        title="Time budget",
        description="Wall-clock time from start to saved model",
        json_schema_extra={"unit": "s"},
    )
    steps: Annotated[int, Field(ge=1)] | None = Field(
        None, title="Steps", description="Number of optimiser steps, instead of a time budget"
    )
    device: str = Field("auto", title="Device", description="auto, cpu, cuda, cuda:N or mps")
    seed: int = Field(0, ge=0, title="Seed", description="Seed of all random choices")
    held_out: tuple[int, ...] = Field(
        (),
        title="Held-out slices",
        description="Painted Z slices that are never trained on, only scored",
    )
    level: int = Field(0, ge=0, title="Pyramid level", description="Level of a multiscale image")
    channels: tuple[int, ...] | None = Field(
        None, title="Channels", description="Image channels that the network sees; None: all"
    )
    working_factor: Triple | None = Field(
        None,
        title="Working resolution",
        description="Down-sampling (Z, Y, X) before the network; None: chosen from the data",
    )
    neighbours: Annotated[int, Field(ge=0, le=8)] | None = Field(
        None,
        title="Neighbouring slices",
        description="Slices on either side that a planar network sees beside each slice",
    )
    neighbour_step: Annotated[int, Field(ge=1, le=32)] | None = Field(
        None,
        title="Neighbour step",
        description="Slices from one neighbouring slice to the next",
        json_schema_extra={"unit": "slices"},
    )
    guidance: Annotated[float, Field(ge=0, le=10)] | None = Field(
        None,
        title="Guidance",
        description="Weight of a random forest's opinion on unpainted voxels of painted slices; "
        "used where strokes leave gaps, 0: off",
    )
    forest: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        title="Forest",
        description="Weight of a random forest that is stored with the model and has its say in "
        "every prediction, 0: off",
    )
    subvoxel: bool | None = Field(
        None,
        title="Sub-voxel output",
        description="Predict every voxel although the network works on a coarser grid",
    )
    norm: Literal["group", "batch", "instance", "none"] | None = Field(None, title="Normalisation")
    patch: Triple | None = Field(
        None,
        title="Patch",
        description="Training patch (Z, Y, X) on the working grid",
        json_schema_extra={"unit": "voxels"},
    )
    batch: Annotated[int, Field(ge=1)] | None = Field(
        None, title="Batch", description="Patches a step"
    )
    base_channels: Annotated[int, Field(ge=4, le=128)] | None = Field(
        None, title="Width", description="Channels of the finest level; doubled at each level"
    )
    depth: Annotated[int, Field(ge=1, le=6)] | None = Field(
        None, title="Depth", description="Resolution levels"
    )
    features: bool | None = Field(
        None,
        title="Multiscale features",
        description="Give the network Gaussian, edge and Hessian features beside the image",
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = Field(None, title="Learning rate")
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = Field(None, title="Weight decay")
    optimiser: Literal["muon", "adamw", "adam", "sgd"] | None = Field(None, title="Optimiser")
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, title="Momentum", description="Of SGD"
    )
    schedule: ScheduleKind | None = Field(None, title="Schedule")
    loss: LossKind | None = Field(None, title="Loss")
    class_weights: Literal["none", "sqrt", "inverse"] | None = Field(
        None,
        title="Class weights",
        description="How rare classes are weighted, from painted voxels",
    )
    augment: (
        Literal["none", "light", "grey", "full", "paper-3d", "paper-2d", "membrane", "tumour"]
        | None
    ) = Field(None, title="Augmentation")
    ema: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, title="EMA decay", description="Averaging of the weights that predict; 0: off"
    )
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field("auto", title="Precision")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        None, title="Threads", description="CPU threads; None: all"
    )
    encoder_rate: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Encoder rate",
        description="Learning rate of the encoder relative to the rest, when a model is "
        "fine-tuned; 0 freezes it",
    )
    early_stop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        title="Early stopping",
        description="Stop once held-out Dice has not risen for this share of the budget",
    )
    keep: Literal["last", "best"] | None = Field(
        None,
        title="Keep",
        description="Save the last weights, or those that scored best on held-out slices",
    )
    log: Literal["none", "csv", "tensorboard"] = Field(
        "none",
        title="Log",
        description="Write losses, learning rates and held-out scores beside the model",
    )
    options: tuple[str, ...] = Field(
        (),
        title="Further options",
        description="Single parameters as part.name=value; the parts are network, loss, augment "
        "and schedule, for example loss.focal_gamma=3",
    )


class PredictSettings(Settings):
    """What a user may wish of a prediction."""

    device: str = Field("auto", title="Device", description="auto, cpu, cuda, cuda:N or mps")
    region: str = Field(
        "", title="Region", description="z0:z1,y0:y1,x0:x1 in voxels; empty: the whole volume"
    )
    block: Triple | None = Field(
        None, title="Block", description="Write region of a block; None: from memory and chunks"
    )
    resume: bool = Field(False, title="Resume", description="Keep the blocks already written")
    mirrors: int | None = Field(
        None,
        ge=1,
        le=8,
        title="Mirrored passes",
        description="Average over this many flips and transposes; None: as the model says",
    )
    rescale: bool = Field(
        False,
        title="Rescale",
        description="Predict at the voxel size that the model was trained on, and answer at the "
        "image's own",
    )
    intensities: Literal["own", "model"] = Field(
        "own",
        title="Intensities",
        description="own: brought to mean and deviation of the training; model: taken as they are, "
        "for an image recorded under the same conditions",
    )
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field("auto", title="Precision")
    level: int = Field(0, ge=0, title="Pyramid level", description="Level of a multiscale image")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        None, title="Threads", description="CPU threads; None: all"
    )
    workers: Annotated[int, Field(ge=1)] | None = Field(
        None,
        title="Workers",
        description="Processes of --cluster local or slurm; None: one a core or GPU, slurm: 4 jobs",
    )


def apply_overrides(settings: S, pairs: Iterable[str] | Mapping[str, Any]) -> S:
    """Return ``settings`` with ``name=value`` overrides parsed and validated.

    Parameters
    ----------
    settings
        Settings to start from.
    pairs
        ``name=value`` texts (values are read as JSON where possible, so
        ``patch=[16,64,64]`` or ``patch=16,64,64`` both work), or a mapping.

    Raises
    ------
    InputError
        For an unknown name, a value of the wrong type, or one out of bounds.
    """
    names = type(settings).model_fields
    pairs = dict(pairs) if isinstance(pairs, Mapping) else list(pairs)
    if isinstance(pairs, list) and "options" in names:  # part.name=value
        parts = [text for text in pairs if "." in text.partition("=")[0] and "=" in text]
        pairs = [text for text in pairs if text not in parts]
        settings = settings.model_copy(
            update={"options": (*settings.model_dump()["options"], *parts)}
        )
    changes = pairs if isinstance(pairs, dict) else _parse_for(type(settings), pairs)
    for name in changes:
        if name not in names:
            raise InputError(
                f"unknown setting {name!r}",
                where="--set",
                mend=f"one of: {', '.join(sorted(names))}",
            )
    return validated(type(settings), {**settings.model_dump(), **changes}, where="--set")


def _parse_for(model: type[Settings], pairs: list[str]) -> dict[str, Any]:
    """Parse pairs; ``none`` is a choice where the field has one of that name, else None."""
    values = parse_pairs(pairs)
    for name, value in values.items():
        field = model.model_fields.get(name)
        if value is None and field is not None and '"none"' in json.dumps(_schema(model, name)):
            values[name] = "none"
        if isinstance(value, str | int | float) and _is_list(model, name):
            values[name] = [value]
    return values


def _is_list(model: type[Settings], name: str) -> bool:
    if name not in model.model_fields:
        return False
    schema = _schema(model, name)
    kinds = [part.get("type") for part in schema.get("anyOf", [schema])]
    return set(kinds) <= {"array", "null"}


def _schema(model: type[Settings], name: str) -> Any:
    return model.model_json_schema()["properties"][name]


def parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` texts; values as JSON where possible, lists also as ``1,2,3``.

    Raises
    ------
    InputError
        If a text has no ``=``.
    """
    values: dict[str, Any] = {}
    for text in pairs:
        name, eq, value = text.partition("=")
        if not eq:
            raise InputError(f"{text!r} is not name=value", where="--set")
        values[name.strip().replace("-", "_")] = _parse_value(value.strip())
    return values


def validated(model: type[S], values: Mapping[str, Any], *, where: str) -> S:
    """Build a settings model; a validation error becomes one clear line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{name} = {first['input']!r} is not valid: {first['msg'].lower()}", where=where
        ) from None


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    if text.lower() in {"none", ""}:
        return None
    if "," in text:
        return [_parse_value(part.strip()) for part in text.split(",") if part.strip()]
    return text
