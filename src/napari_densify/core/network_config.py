"""A network and the features that it sees, as frozen settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from napari_densify.core.base import Settings

__all__ = ["FeatureConfig", "NetworkConfig", "Triple"]

Triple = tuple[int, int, int]


# Standard deviation along Z, in slices, below which a slice stands for itself; filters are
# cut at so many of them.
_THIN, _TRUNCATE = 0.5, 3.0


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
    depth: float = Field(
        0.0,
        ge=0,
        le=8,
        title="Depth",
        description="Largest standard deviation along Z; 0: filter in XY only, slice by slice",
        json_schema_extra={"unit": "slices"},
    )
    anisotropy: float = Field(
        1.0,
        gt=0,
        title="Anisotropy",
        description="Slice distance over the width of a cell of the working grid; filters along "
        "Z are that much shorter. Without a meaning for planar features",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, content: Any) -> Any:
        """Read what earlier versions wrote; other features across slices are gone."""
        if not isinstance(content, dict) or "planar" not in content:
            return content
        if not content["planar"]:
            raise ValueError("features across slices of an earlier version; train the model again")
        return {key: value for key, value in content.items() if key != "planar"}

    @property
    def planar(self) -> bool:
        """Whether each slice is filtered by itself."""
        return not self.depth

    def slice_sigma(self, sigma: float) -> float:
        """Return the deviation along Z of a scale, in slices; 0 where it is filtered in XY only.

        The largest scales look no further than ``depth``: slices further away have to be
        read and kept, and tell little more.
        """
        wanted = sigma / self.anisotropy
        return 0.0 if self.planar or wanted < _THIN else min(wanted, self.depth)

    @property
    def reach(self) -> int:
        """Slices on either side that the features of a slice depend on."""
        deepest = max(self.slice_sigma(sigma) for sigma in self.sigmas)
        return int(_TRUNCATE * deepest + 0.5) + 1 if deepest else 0


class NetworkConfig(Settings):
    """A network, completely: enough to rebuild it before loading its weights."""

    architecture: Literal["unet", "fcn"] = Field("unet", title="Architecture")
    members: int = Field(
        1,
        ge=1,
        le=8,
        title="Members",
        description="Networks of this kind whose logits are averaged, each trained from a start "
        "of its own",
    )
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
