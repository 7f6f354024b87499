"""Networks and training rules of the papers, by name.

Each is a frozen :class:`Preset`; every part of it can be overridden. Where a paper
leaves a number open (a learning rate, a patch) the value here is ours, and
docs/networks.md says so.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError
from napari_densify.core.recipes import AugmentConfig, LossConfig, ScheduleConfig
from napari_densify.core.settings import NetworkConfig, Triple
from napari_densify.training.augment import AUGMENTATIONS

__all__ = ["PRESETS", "Preset", "find_preset"]


class Preset(Settings):
    """A network with its training rule."""

    title: str
    source: str = Field(description="Paper or project that it follows")
    network: NetworkConfig = Field(description="For one input channel and two classes")
    patch: Triple = Field(description="Input patch (Z, Y, X)")
    batch: int = Field(1, ge=1)
    optimiser: Literal["adamw", "adam", "sgd"] = "adam"
    learning_rate: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: ScheduleConfig = ScheduleConfig(kind="constant", warm_up_steps=0)
    loss: LossConfig = LossConfig()
    class_weights: Literal["none", "sqrt", "inverse"] = "none"
    augment: AugmentConfig = AUGMENTATIONS["light"]
    ema: float = 0.0
    keep: Literal["last", "best"] = "last"
    early_stop: float | None = None
    mirrors: int = 1


def find_preset(name: str) -> Preset:
    """Look up a preset.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise InputError(
            f"unknown preset {name!r}",
            where="--preset",
            mend=f"one of: auto, fast, {', '.join(PRESETS)}",
        )
    return PRESETS[name]


def _levels(widths: tuple[int, ...], *, planar: bool, repeat: int = 2) -> dict[str, Any]:
    """Give a U-Net of constant width on each level, 2D or 3D throughout."""
    kernel, pool = ((1, 3, 3), (1, 2, 2)) if planar else ((3, 3, 3), (2, 2, 2))
    return {
        "encoder": tuple((w,) * repeat for w in widths),
        "decoder": tuple((w,) * repeat for w in widths[:-1]),
        "kernels": (kernel,) * len(widths),
        "pools": (pool,) * (len(widths) - 1),
    }


_WIDE = (64, 128, 256, 512, 1024)

_PAPER_3D = NetworkConfig(
    encoder=((32, 64), (64, 128), (128, 256), (256, 512)),
    decoder=((64, 64), (128, 128), (256, 256)),
    padding="valid",
    norm="batch",
    batch_statistics=True,
    up="transposed",
    up_channels=(128, 256, 512),
    up_bias=False,
)

_PAPER_2D = NetworkConfig(
    **_levels(_WIDE, planar=True),
    padding="valid",
    norm="none",
    up="transposed",
    up_activation=True,
    dropout=0.5,
)

_MEMBRANE = NetworkConfig(
    **{**_levels(_WIDE, planar=True), "decoder": ((64, 64, 2), *((w, w) for w in _WIDE[1:-1]))},
    norm="none",
    up="resize_conv",
    up_kernel=(1, 2, 2),
    up_activation=True,
    dropout=0.5,
    dropout_levels=2,
    head="sigmoid",
)

_VNET = NetworkConfig(
    encoder=((16,), (32,) * 2, (64,) * 3, (128,) * 3, (256,) * 3),
    decoder=((32,), (64,) * 2, (128,) * 3, (256,) * 3),
    kernels=((5, 5, 5),) * 5,
    pools=((2, 2, 2),) * 4,
    norm="batch",
    activation="prelu",
    down="strided",
    up="transposed",
    up_channels=(16, 32, 64, 128),
    up_activation=True,
    residual=True,
)

_RESIDUAL_WIDTHS = (28, 36, 48, 64, 80)

PRESETS: dict[str, Preset] = {
    "paper-3d": Preset(
        title="3D U-Net (2016)",
        source="Cicek et al. 2016, arXiv:1606.06650",
        network=_PAPER_3D,
        patch=(116, 132, 132),
        optimiser="sgd",
        learning_rate=1e-3,
        momentum=0.99,
        loss=LossConfig(kind="weighted-ce", background_weight=0.5),
        augment=AUGMENTATIONS["paper-3d"],
    ),
    "paper-2d": Preset(
        title="U-Net (2015)",
        source="Ronneberger et al. 2015, arXiv:1505.04597",
        network=_PAPER_2D,
        patch=(1, 572, 572),
        optimiser="sgd",
        learning_rate=1e-3,
        momentum=0.99,
        loss=LossConfig(kind="border-ce", border_w0=10, border_sigma=5),
        class_weights="inverse",
        augment=AUGMENTATIONS["paper-2d"],
    ),
    "paper-2.5d": Preset(
        title="U-Net (2015) with neighbouring slices",
        source="Ronneberger et al. 2015, arXiv:1505.04597; neighbouring slices as channels",
        network=_PAPER_2D.model_copy(update={"slice_context": 1}),
        patch=(3, 572, 572),
        optimiser="sgd",
        learning_rate=1e-3,
        momentum=0.99,
        loss=LossConfig(kind="border-ce", border_w0=10, border_sigma=5),
        class_weights="inverse",
        augment=AUGMENTATIONS["paper-2d"],
    ),
    "membrane": Preset(
        title="Padded U-Net for EM membranes",
        source="widely used Keras re-implementation of Ronneberger et al. 2015",
        network=_MEMBRANE,
        patch=(1, 256, 256),
        batch=2,
        loss=LossConfig(kind="bce"),
        augment=AUGMENTATIONS["membrane"],
    ),
    "polyp": Preset(
        title="Small padded U-Net with batch normalisation (polyps)",
        source="widely used Keras tutorial network, 16-32-48-64",
        network=NetworkConfig(
            **_levels((16, 32, 48, 64, 64), planar=True), norm="batch", head="sigmoid"
        ),
        patch=(1, 256, 256),
        batch=8,
        schedule=ScheduleConfig(kind="plateau", warm_up_steps=0, factor=0.1),
        loss=LossConfig(kind="bce"),
        keep="best",
        early_stop=0.3,
    ),
    "sandstone": Preset(
        title="Padded 3D U-Net 64-1024 with batch normalisation (sandstone)",
        source="widely used Keras tutorial network",
        network=NetworkConfig(**_levels(_WIDE, planar=False), norm="batch", up="transposed"),
        patch=(64, 64, 64),
        batch=2,
        class_weights="sqrt",
    ),
    "retina": Preset(
        title="U-Net of 34,527,106 parameters (retina)",
        source="widely used PyTorch re-implementation; up-sampling and 3x3 convolution",
        network=NetworkConfig(
            **_levels(_WIDE, planar=True), norm="batch", up="resize_conv", up_activation=True,
            head="sigmoid",
        ),
        patch=(1, 256, 256),
        batch=2,
        schedule=ScheduleConfig(kind="step", warm_up_steps=0, factor=0.1, drops=3),
        loss=LossConfig(kind="bce-dice"),
    ),
    "brain-tumour": Preset(
        title="U-Net with leaky ReLU, average pooling and dilated encoder (brain tumours)",
        source="PyTorch re-implementation for MRI tumours",
        network=NetworkConfig(
            **_levels((32, 64, 128, 256, 512), planar=True), norm="batch",
            activation="leaky_relu", down="average", dilations=(1, 2, 2, 2, 2), up="transposed",
        ),
        patch=(1, 240, 240),
        batch=4,
        learning_rate=1e-3,
        loss=LossConfig(kind="dice-ce"),
        augment=AUGMENTATIONS["tumour"],
    ),
    "vnet": Preset(
        title="V-Net",
        source="Milletari et al. 2016, arXiv:1606.04797; batch normalisation added",
        network=_VNET,
        patch=(64, 128, 128),
        optimiser="sgd",
        learning_rate=1e-3,
        momentum=0.99,
        schedule=ScheduleConfig(kind="step", factor=0.1, drops=2),
        loss=LossConfig(kind="dice"),
        augment=AUGMENTATIONS["full"],
    ),
    "residual": Preset(
        title="Residual symmetric U-Net for serial sections",
        source="Lee et al. 2017, arXiv:1706.00120",
        network=NetworkConfig(
            encoder=tuple((w,) * 3 for w in _RESIDUAL_WIDTHS),
            decoder=tuple((w,) * 3 for w in _RESIDUAL_WIDTHS[:-1]),
            kernels=((1, 3, 3), *((3, 3, 3),) * 4), pools=((1, 2, 2),) * 4,
            norm="batch", activation="elu", up="linear", skip="sum", residual=True,
            head="sigmoid",
        ),
        patch=(18, 160, 160),
        learning_rate=1e-3,
        loss=LossConfig(kind="bce"),
        class_weights="sqrt",
        augment=AUGMENTATIONS["full"],
    ),
    "attention": Preset(
        title="Attention U-Net",
        source="Oktay et al. 2018, arXiv:1804.03999; in the common 2D form",
        network=NetworkConfig(
            **_levels(_WIDE, planar=True), norm="batch", up="resize_conv", up_activation=True,
            attention=True,
        ),
        patch=(1, 256, 256),
        batch=2,
        loss=LossConfig(kind="dice-ce"),
    ),
    "deep-supervised": Preset(
        title="Deeply supervised 3D U-Net",
        source="Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; group normalisation",
        network=NetworkConfig(
            **_levels((32, 64, 128, 256, 320), planar=False), activation="leaky_relu",
            down="strided", up="transposed", norm_groups=8, deep_supervision=True,
        ),
        patch=(64, 128, 128),
        optimiser="sgd",
        learning_rate=1e-2,
        momentum=0.99,
        weight_decay=3e-5,
        schedule=ScheduleConfig(kind="cosine"),
        loss=LossConfig(kind="dice-ce"),
        augment=AUGMENTATIONS["full"],
    ),
    "anisotropic": Preset(
        title="3D U-Net, flat on its two finest levels",
        source="flat kernels until voxels are about cubic, as in Lee et al. 2017",
        network=NetworkConfig(
            encoder=((32, 32), (64, 64), (128, 128), (256, 256)),
            decoder=((32, 32), (64, 64), (128, 128)),
            kernels=((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)), pools=((1, 2, 2),) * 3,
            norm_groups=8,
        ),
        patch=(8, 128, 128),
        batch=2,
        optimiser="adamw",
        learning_rate=1e-3,
        weight_decay=1e-2,
        schedule=ScheduleConfig(kind="cosine"),
        class_weights="sqrt",
    ),
    "fcn": Preset(
        title="Fully convolutional network, FCN-8s with the VGG-16 encoder",
        source="Long et al. 2015, arXiv:1411.4038; last block narrowed to 1024 channels",
        network=NetworkConfig(
            architecture="fcn",
            encoder=((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3, (1024, 1024)),
            decoder=(), kernels=(*((1, 3, 3),) * 5, (1, 3, 3)), pools=((1, 2, 2),) * 5,
            norm="batch", score_levels=3,
        ),
        patch=(1, 256, 256),
        batch=2,
        optimiser="sgd",
        learning_rate=1e-2,
        momentum=0.9,
        weight_decay=5e-4,
    ),
}  # fmt: skip
