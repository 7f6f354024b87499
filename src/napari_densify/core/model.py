"""What a trained model knows about itself: stored in the metadata of its file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from napari_densify.core.labels import ClassTable
from napari_densify.core.normalisation import Intensity, NormalisationConfig
from napari_densify.core.settings import FeatureConfig, NetworkConfig, Settings, Triple

__all__ = ["MODEL_FORMAT", "ModelSpec"]

MODEL_FORMAT: Literal[1] = 1


class ModelSpec(Settings):
    """Everything but the weights: rebuilds the network and feeds it the right input."""

    format: Literal[1] = MODEL_FORMAT
    network: NetworkConfig
    classes: ClassTable
    spacing: tuple[float, float, float] = Field(
        description="Voxel size (Z, Y, X) of the training image in nm"
    )
    spacing_known: bool = False
    channels: tuple[int, ...] | None = Field(None, description="Image channels used; None: all")
    image_channels: int = Field(1, ge=1, description="Channels that the network's image had")
    working_factor: Triple = (1, 1, 1)
    neighbours: int = Field(
        0, ge=0, description="Slices on either side that a planar network sees as channels"
    )
    neighbour_step: int = Field(1, ge=1, description="Slices from one neighbour to the next")
    subvoxel: bool = Field(
        False,
        description="The network sees every voxel of a working cell as a channel and predicts "
        "each of them: coarse computation, full-resolution answer",
    )
    normalisation: NormalisationConfig = NormalisationConfig()
    intensity: Intensity | None = Field(
        None, description="Grey values of the first training volume, as measured"
    )
    features: FeatureConfig | None = None
    feature_offset: tuple[float, ...] = Field((), description="Mean of each feature in training")
    feature_gain: tuple[float, ...] = Field((), description="One over its standard deviation")
    planar: bool = Field(False, description="Trained on single slices: predicted slice by slice")
    context: Triple = Field(
        (0, 0, 0), description="Halo (Z, Y, X) on the working grid that tiles are read with"
    )
    patch: Triple = Field((16, 64, 64), description="Training patch (Z, Y, X), working grid")
    z_reflect: int = Field(0, ge=0, description="Slices mirrored beyond the ends of the stack")
    remembers: tuple[str, ...] = Field(
        (), description="Checksums of the volumes whose paint is stored with the model"
    )
    forest: float = Field(
        0.0, ge=0, lt=1, description="Weight of the stored random forest beside the network"
    )
    class_shift: tuple[float, ...] = Field(
        (),
        description="Added to the logit of each class: it is rarer or more frequent than painted",
    )
    frequencies: tuple[float, ...] = Field(
        (),
        description="Share of each class in the slices, where strokes show some more often "
        "than they are and it had to be estimated",
    )
    triplanar: bool = Field(
        False, description="Small volumes are predicted along all three axes, and averaged"
    )
    mirrors: int = Field(1, ge=1, le=8, description="Mirrored passes averaged by default")
    training: dict[str, Any] = Field(
        default_factory=dict, description="Settings, plan, steps, seconds, versions: for the record"
    )

    @property
    def slice_reach(self) -> int:
        """Slices beyond either end of a region that its neighbours come from."""
        return self.neighbours * self.neighbour_step
