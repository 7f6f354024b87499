"""From a configuration to a network."""

from __future__ import annotations

from torch import nn

from napari_densify.core.settings import NetworkConfig
from napari_densify.networks.committee import Committee
from napari_densify.networks.fcn import FCN
from napari_densify.networks.layers import Convolution
from napari_densify.networks.unet import UNet

__all__ = ["build_network", "count_parameters"]


def build_network(config: NetworkConfig) -> nn.Module:
    """Build a network with fresh weights (He et al. 2015 normal; seed torch before).

    The network maps ``(N, C, Z, Y, X)`` to float32 logits ``(N, K, z, y, x)``;
    with ``deep_supervision``, and only in training mode, to a list of them,
    finest first. One of several members has to be in evaluation mode.
    """
    if config.members > 1:
        single = config.model_copy(update={"members": 1})
        return Committee([build_network(single) for _ in range(config.members)])
    network = UNet(config) if config.architecture == "unet" else FCN(config)
    if next(network.parameters()).is_meta:
        return network  # only its shapes are wanted; drawing them would import torch's compiler
    for module in network.modules():
        if isinstance(module, Convolution):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.ConvTranspose3d):  # stride = kernel: one tap an output voxel
            nn.init.normal_(module.weight, std=module.in_channels**-0.5)
        if isinstance(module, Convolution | nn.ConvTranspose3d) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


def count_parameters(network: nn.Module, *, batch_norm: bool = True) -> int:
    """Trainable parameters; ``batch_norm=False`` leaves those of normalisations out."""
    norms = (nn.BatchNorm3d, nn.GroupNorm)
    return sum(
        parameter.numel()
        for module in network.modules()
        if batch_norm or not isinstance(module, norms)
        for parameter in module.parameters(recurse=False)
        if parameter.requires_grad
    )
