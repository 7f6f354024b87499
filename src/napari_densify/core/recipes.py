"""Settings of the training rules: losses, augmentation and schedules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_densify.core.base import Settings

__all__ = [
    "AugmentConfig",
    "LossConfig",
    "LossKind",
    "PresetName",
    "ScheduleConfig",
    "ScheduleKind",
]

ScheduleKind = Literal["constant", "step", "plateau", "cosine", "one-cycle"]

PresetName = Literal[
    "auto",
    "fast",
    "paper-3d",
    "paper-2d",
    "paper-2.5d",
    "membrane",
    "polyp",
    "sandstone",
    "retina",
    "brain-tumour",
    "vnet",
    "residual",
    "attention",
    "deep-supervised",
    "anisotropic",
    "fcn",
]
"""Networks with their training rules, by name; ``training.presets`` holds them."""

LossKind = Literal[
    "ce",
    "weighted-ce",
    "border-ce",
    "dice",
    "generalised-dice",
    "dice-ce",
    "focal",
    "tversky",
    "bce",
    "bce-dice",
]


class LossConfig(Settings):
    """A loss over annotated voxels; voxels without annotation count for nothing."""

    kind: LossKind = Field("ce", title="Loss")
    dice_weight: float = Field(
        1.0, ge=0, title="Dice weight", description="Share of the Dice term beside cross-entropy"
    )
    focal_gamma: float = Field(
        2.0, ge=0, title="Gamma", description="Focusing parameter of the focal loss"
    )
    tversky_alpha: float = Field(
        0.3, ge=0, le=1, title="Alpha", description="Tversky weight of false positives"
    )
    tversky_beta: float = Field(
        0.7, ge=0, le=1, title="Beta", description="Tversky weight of false negatives"
    )
    border_w0: float = Field(
        10.0, ge=0, title="Border weight", description="Extra weight between touching objects (w0)"
    )
    border_sigma: float = Field(
        5.0,
        gt=0,
        title="Border width",
        description="How fast the border weight falls off (sigma)",
        json_schema_extra={"unit": "pixels"},
    )
    background_weight: float = Field(
        1.0,
        gt=0,
        title="Background weight",
        description="Factor on the class flagged as background; below 1 where it is frequent",
    )


class AugmentConfig(Settings):
    """Random changes of training patches; lengths are in voxels along X.

    Amounts along Z follow from the spacing. ``probability`` is the share of patches
    that are resampled; each grey-value change has its own coin of the same kind.
    """

    flips: bool = Field(True, title="Flips", description="Flips and transposes: exact and free")
    probability: float = Field(
        0.8, ge=0, le=1, title="Probability", description="Share of patches that are resampled"
    )
    planar: bool = Field(
        False, title="Slice by slice", description="Geometry changes in XY only, never along Z"
    )
    rotation: float = Field(
        0.0,
        ge=0,
        le=180,
        title="Rotation",
        description="Largest angle in the XY plane",
        json_schema_extra={"unit": "degrees"},
    )
    tilt: float = Field(
        0.0,
        ge=0,
        le=90,
        title="Tilt",
        description="Largest angle out of the XY plane",
        json_schema_extra={"unit": "degrees"},
    )
    scaling: float = Field(
        0.0, ge=0, lt=1, title="Scaling", description="0.1: between 1/1.1 and 1.1 times as large"
    )
    shear: float = Field(
        0.0,
        ge=0,
        le=45,
        title="Shear",
        description="Largest shear angle in XY",
        json_schema_extra={"unit": "degrees"},
    )
    shift: float = Field(
        0.0, ge=0, le=0.5, title="Shift", description="Largest shift, as a share of the patch"
    )
    elastic_sd: float = Field(
        0.0,
        ge=0,
        title="Elastic deformation",
        description="Standard deviation of the random displacement at the grid points",
        json_schema_extra={"unit": "voxels"},
    )
    elastic_grid: float = Field(
        32.0,
        ge=2,
        title="Elastic grid",
        description="Distance of the grid points; B-splines between them",
        json_schema_extra={"unit": "voxels"},
    )
    elastic_points: int = Field(
        0,
        ge=0,
        le=16,
        title="Elastic grid points",
        description="Grid points along each axis instead of a distance; 0: use the distance",
    )
    fill: Literal["reflect", "nearest", "zeros"] = Field(
        "reflect",
        title="Filling",
        description="What the image shows beyond the patch; labels there: nearest carries them, "
        "otherwise they are not annotated",
    )
    contrast: float = Field(
        0.0, ge=0, lt=1, title="Contrast", description="0.2: factor between 0.8 and 1.2"
    )
    brightness: float = Field(
        0.0, ge=0, title="Brightness", description="Largest offset, in standard deviations"
    )
    gamma: float = Field(
        0.0, ge=0, lt=1, title="Gamma", description="0.3: exponent between 1/1.3 and 1.3"
    )
    noise: float = Field(
        0.0, ge=0, title="Noise", description="Largest Gaussian noise, in standard deviations"
    )
    blur: float = Field(
        0.0,
        ge=0,
        le=5,
        title="Blur",
        description="Largest Gaussian blur in XY",
        json_schema_extra={"unit": "voxels"},
    )
    missing_slices: float = Field(
        0.0, ge=0, lt=1, title="Missing slices", description="Share of slices blanked in the image"
    )
    shifted_slices: float = Field(
        0.0, ge=0, lt=1, title="Shifted slices", description="Share of slices displaced in XY"
    )
    slice_shift: float = Field(
        5.0,
        ge=0,
        title="Slice shift",
        description="Largest displacement of a shifted slice",
        json_schema_extra={"unit": "voxels"},
    )


class ScheduleConfig(Settings):
    """How the learning rate changes over a training, whatever its budget is.

    Times are shares of the budget, so the same schedule serves seconds and steps.
    """

    kind: ScheduleKind = Field("cosine", title="Schedule")
    warm_up_steps: int = Field(
        20, ge=0, title="Warm-up", description="First steps, over which the rate rises"
    )
    factor: float = Field(
        0.1, gt=0, lt=1, title="Factor", description="Each drop of step and plateau"
    )
    drops: int = Field(
        2, ge=1, le=50, title="Drops", description="How often step lowers the rate, evenly spaced"
    )
    patience: float = Field(
        0.1,
        gt=0,
        le=1,
        title="Patience",
        description="Share of the budget without improvement after which plateau lowers the rate",
    )
    peak: float = Field(
        0.3, gt=0, lt=1, title="Peak", description="Share of the budget at which one-cycle peaks"
    )
    floor: float = Field(
        0.0, ge=0, lt=1, title="Floor", description="Final rate of cosine and one-cycle"
    )
