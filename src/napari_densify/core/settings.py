"""Settings, declared once: the form, the CLI option, the JSON and the checkpoint follow.

Every field carries ``title`` (label in the form), ``description`` (tooltip and CLI
help) and bounds; units stand in ``json_schema_extra={"unit": ...}``. ``None``
means *decide from the data*; a pure ``resolve_*`` function in the layer concerned
turns wishes plus facts into one frozen plan.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_densify.core.base import Settings
from napari_densify.core.network_config import FeatureConfig, NetworkConfig, Triple
from napari_densify.core.overrides import apply_overrides, parse_pairs, validated
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
    "validated",
]


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
    affinity: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None,
        title="Affinity",
        description="Weight of the chance that neighbours of like grey value differ in class; "
        "used where strokes leave gaps, 0: off",
    )
    frequencies: bool | None = Field(
        None,
        title="Frequencies",
        description="Correct for strokes that show some classes more often than they are; how "
        "often each occurs is told by random forests from strokes (at least two of each class)",
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
    norm: Literal["group", "batch", "instance", "none"] | None = Field(
        None,
        title="Normalisation",
        description="Over what activations are brought to one scale: groups of channels, a "
        "batch, each patch alone; or not at all",
    )
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
    feature_depth: Annotated[float, Field(ge=0, le=8)] | None = Field(
        None,
        title="Depth of features",
        description="How far features look across slices, as a standard deviation; "
        "0: not at all; None: 2 where slices are close",
        json_schema_extra={"unit": "slices"},
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        title="Learning rate",
        description="Greatest step size; the schedule says how it changes",
    )
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, title="Weight decay", description="How strongly weights are drawn towards 0"
    )
    optimiser: Literal["muon", "adamw", "adam", "sgd"] | None = Field(
        None, title="Optimiser", description="How gradients become steps"
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, title="Momentum", description="Of SGD"
    )
    schedule: ScheduleKind | None = Field(
        None, title="Schedule", description="How the learning rate changes over the training"
    )
    loss: LossKind | None = Field(
        None, title="Loss", description="What is minimised on painted voxels"
    )
    members: Annotated[int, Field(ge=1, le=8)] | None = Field(
        None,
        title="Members",
        description="Networks trained one after another, whose answers are averaged; None: as "
        "many as there is time for, up to 3",
    )
    class_weights: Literal["none", "sqrt", "inverse"] | None = Field(
        None,
        title="Class weights",
        description="How rare classes are weighted, from painted voxels",
    )
    augment: (
        Literal["none", "light", "grey", "full", "paper-3d", "paper-2d", "membrane", "tumour"]
        | None
    ) = Field(
        None,
        title="Augmentation",
        description="How patches are varied: light flips and turns them, grey also changes grey "
        "values, full also warps them; the others are those of papers",
    )
    ema: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, title="EMA decay", description="Averaging of the weights that predict; 0: off"
    )
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        "auto",
        title="Precision",
        description="auto: the fastest that a self-test finds right and stable here; fp16 is for "
        "predictions alone",
    )
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
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        "auto",
        title="Precision",
        description="auto: the fastest that a self-test finds right and stable here",
    )
    level: int = Field(0, ge=0, title="Pyramid level", description="Level of a multiscale image")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        None, title="Threads", description="CPU threads; None: all"
    )
    workers: Annotated[int, Field(ge=1)] | None = Field(
        None,
        title="Workers",
        description="Processes of --cluster local or slurm; None: one a core or GPU, slurm: 4 jobs",
    )
