"""Convolution, pooling and resizing of volumes ``(N, C, Z, Y, X)`` and of slices ``(N, C, Y, X)``.

The layers keep 3D kernels; a network that never mixes slices runs on slices, which
libraries compute faster, and in low precision correctly (see ``networks.mixed``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_densify.core.settings import NetworkConfig, Triple
from napari_densify.networks.mixed import convolve_safely, needs_care

__all__ = [
    "by_slices",
    "convolve",
    "convolve_transposed",
    "has_flat_kernels",
    "is_slicewise",
    "pad_end",
    "pool",
    "resize",
]


# Below that many channels * Z * Y torch thinks that its own kernel is faster.
_SMALL = 20_480


def has_flat_kernels(config: NetworkConfig) -> bool:
    """Whether no kernel and no pool makes slices see each other."""
    sizes = [*config.kernels, *config.pools]
    sizes += [config.up_kernel] if config.up_kernel else []
    return all(z == 1 for z, _, _ in sizes)


def is_slicewise(config: NetworkConfig) -> bool:
    """Whether no kernel, pool or statistic makes slices see each other."""
    return has_flat_kernels(config) and config.norm in ("batch", "none")


def by_slices(network: Callable[[Tensor], Any], x: Tensor) -> Any:
    """Run a slicewise network on ``(N, C, Z, Y, X)``, its slices being the batch.

    Returns
    -------
    What ``network`` gives, a tensor or a list of them, with a Z axis again.
    """
    n, _, z, _, _ = x.shape
    planes = x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    out = network(planes)

    def unfolded(plane: Tensor) -> Tensor:
        return plane.reshape(n, z, *plane.shape[1:]).transpose(1, 2)

    return [unfolded(o) for o in out] if isinstance(out, list) else unfolded(out)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
) -> Tensor:
    """Cross-correlate with a kernel ``(K, C, z, y, x)``; ``z`` is 1 where ``x`` is a slice."""
    if x.dim() == 4:
        planar = stride[1:], padding[1:], dilation[1:]
        run = _in_float32 if needs_care(x) and max(*stride, *dilation) > 1 else _as_told
        return run(F.conv2d, x, weight.squeeze(2), bias, *planar)
    if needs_care(x) and max(stride) == 1 and max(weight.shape[2:]) > 1:
        return convolve_safely(x, weight, bias, padding=padding, dilation=dilation)
    if needs_care(x):
        return _in_float32(F.conv3d, x, weight, bias, stride, padding, dilation)
    if not _is_neglected(x, weight):
        return F.conv3d(x, weight, bias, stride, padding, dilation)
    if torch.is_grad_enabled():
        return F.conv3d(_paired(x), weight, bias, stride, padding, dilation)[:1]
    alone: Tensor = torch.ops.aten.mkldnn_convolution(x, weight, bias, padding, stride, dilation, 1)
    return alone


def _is_neglected(x: Tensor, weight: Tensor) -> bool:
    """Whether torch would give a convolution to its slow kernel, ten times as slow, on a CPU.

    It does that to a single small volume in float32 (``ConvParams::use_mkldnn`` in
    ATen/native/Convolution.cpp); "small" counts channels, Z and Y, but not X.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return False
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    small = len(x) == 1 and x.shape[1:4].numel() <= _SMALL
    return available and small and max(weight.shape[3:]) <= 3


def convolve_transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int]
) -> Tensor:
    """Up-convolve with a kernel ``(C, K, z, y, x)``."""
    run = _in_float32 if needs_care(x) else _as_told
    if x.dim() == 4:
        return run(F.conv_transpose2d, x, weight.squeeze(2), bias, stride[1:])
    if _is_neglected(x, weight):
        return F.conv_transpose3d(_paired(x), weight, bias, stride)[:1]
    return run(F.conv_transpose3d, x, weight, bias, stride)


def _paired(x: Tensor) -> Tensor:
    """``x`` and an empty sample: two take a tenth of the time of one, with the same gradient."""
    return torch.cat([x, torch.zeros_like(x)])


def _as_told(operation: Callable[..., Tensor], x: Tensor, *rest: Any) -> Tensor:
    return operation(x, *rest)


def _in_float32(operation: Callable[..., Tensor], x: Tensor, *rest: Any) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return operation(x.float(), *rest)


def pool(x: Tensor, size: Triple, kind: Literal["max", "average"]) -> Tensor:
    """Pool cells of ``size`` (Z, Y, X)."""
    if x.dim() == 4:
        return F.max_pool2d(x, size[1:]) if kind == "max" else F.avg_pool2d(x, size[1:])
    return F.max_pool3d(x, size) if kind == "max" else F.avg_pool3d(x, size)


def resize(x: Tensor, factor: Triple, *, linear: bool) -> Tensor:
    """Enlarge by whole factors (Z, Y, X)."""
    scale = tuple(float(f) for f in factor[5 - x.dim() :])
    if not linear:
        return F.interpolate(x, scale_factor=scale, mode="nearest")
    mode = "bilinear" if x.dim() == 4 else "trilinear"
    return F.interpolate(x, scale_factor=scale, mode=mode, align_corners=False)


def pad_end(x: Tensor, missing: Sequence[int], mode: str) -> Tensor:
    """Pad the far end of each of the last axes, given (Z, Y, X)."""
    sizes = missing[5 - x.dim() :]
    if not any(sizes):
        return x
    return F.pad(x, [n for size in reversed(sizes) for n in (0, size)], mode=mode)
