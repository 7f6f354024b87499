"""A network made ready to predict: the same answers with fewer passes over memory.

Batch normalisation with fixed statistics is folded into the convolution before it, and
on CPUs the activation after it is computed where the convolution leaves its sums.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_densify.networks.layers import Convolution, ConvolutionBlock

__all__ = ["fold_norms"]


def fold_norms(network: nn.Module) -> nn.Module:
    """Return a copy that gives the same (to rounding) with fewer passes over memory.

    Scale and shift of a batch normalisation are constants in prediction, so they
    can be multiplied into the weights of the convolution that feeds it. Norms that
    measure their input (group, instance, batch statistics) stay.

    Parameters
    ----------
    network
        Network in evaluation mode; it isn't changed.
    """
    folded = deepcopy(network)
    for chain in [m for m in folded.modules() if isinstance(m, nn.Sequential)]:
        for index in range(len(chain) - 1):
            convolution, norm = chain[index], chain[index + 1]
            if not isinstance(convolution, nn.Conv3d) or not isinstance(norm, nn.BatchNorm3d):
                continue
            if norm.track_running_stats and not norm.training:
                chain[index] = fuse_conv_bn_eval(convolution, norm)
                chain[index + 1] = nn.Identity()
    for block in [m for m in folded.modules() if isinstance(m, ConvolutionBlock)]:
        _fuse_activations(block)
    return folded


def _fuse_activations(block: ConvolutionBlock) -> None:
    """Let convolutions that are followed by a ReLU, and nothing between, compute it."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return
    last = len(block.layers) - 1
    for index, (layer, activation) in enumerate(zip(block.layers, block.activations, strict=True)):
        assert isinstance(layer, nn.Sequential)
        convolution, norm = layer
        alone = isinstance(norm, nn.Identity) and (index < last or block.shortcut is None)
        if alone and isinstance(convolution, Convolution) and isinstance(activation, nn.ReLU):
            layer[0] = _Rectified(convolution)
            block.activations[index] = nn.Identity()


def _is_fast(dtype: torch.dtype) -> bool:
    """Whether the CPU library has fused kernels for a precision, here."""
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


class _Rectified(nn.Module):
    """Convolution and ReLU in one pass on a CPU, in two elsewhere."""

    def __init__(self, convolution: Convolution) -> None:
        super().__init__()
        self.convolution = convolution
        self._ready: dict[tuple[torch.dtype, int], tuple[Tensor, Tensor | None]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` or ``(N, C, Y, X)``."""
        inner = self.convolution
        low = torch.is_autocast_enabled(x.device.type)
        dtype = torch.get_autocast_dtype(x.device.type) if low else x.dtype
        if x.device.type != "cpu" or not _is_fast(dtype) or not inner.fusible:
            return torch.relu(inner(x))
        weight, bias = self._weights(dtype, x.dim())
        axes = x.dim() - 2
        padding, dilation = inner.padding[-axes:], inner.dilation[-axes:]
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x.to(dtype), weight, bias, padding, (1,) * axes, dilation, 1, "relu", [], ""
        )
        return result

    def _weights(self, dtype: torch.dtype, axes: int) -> tuple[Tensor, Tensor | None]:
        if (dtype, axes) not in self._ready:
            weight, bias = self.convolution.weight.detach(), self.convolution.bias
            if axes == 4:
                weight = weight.squeeze(2).contiguous(memory_format=torch.channels_last)
            self._ready[dtype, axes] = (
                weight.to(dtype), None if bias is None else bias.detach().to(dtype)
            )  # fmt: skip
        return self._ready[dtype, axes]
