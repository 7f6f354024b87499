"""Low-precision 3D convolution that trains safely on CPUs.

With oneDNN 3.12 (torch 2.13) the weight gradient of bfloat16 3D convolutions is
wrong for common shapes: on CPUs with AVX512-BF16 it holds uninitialised memory (NaN
now and then), on CPUs with AMX it crashes. Forward pass and input gradient are
sound. So those two run in low precision, and the weight gradient alone in float32.
2D convolutions, which slicewise networks run on, are sound in all three as long as
they have neither stride nor dilation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["convolve_safely", "needs_care"]


def needs_care(x: Tensor) -> bool:
    """Whether autocast would train a convolution of ``x`` in low precision on a CPU."""
    return x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()


def convolve_safely(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """``conv3d`` of stride 1 under autocast, with the weight gradient in float32.

    Parameters
    ----------
    x
        ``(N, C, Z, Y, X)``.
    weight
        ``(K, C, z, y, x)`` float32.
    """
    low = torch.get_autocast_dtype("cpu")
    result: Tensor = _Convolution.apply(x.to(low), weight, bias, padding, dilation)  # type: ignore[no-untyped-call]
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: Any, dilation: Any
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = padding, dilation
        ctx.biased = bias is not None
        low = None if bias is None else bias.to(x.dtype)
        return F.conv3d(x, weight.to(x.dtype), low, padding=padding, dilation=dilation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        wide = gradient.float()
        of_input = None
        if ctx.needs_input_grad[0]:
            of_input = _gradient(gradient, x, weight.to(x.dtype), ctx.geometry, 0)
        of_weight = _gradient(wide, x.float(), weight, ctx.geometry, 1)
        of_bias = wide.sum((0, 2, 3, 4)) if ctx.biased else None
        return of_input, of_weight, of_bias, None, None


def _gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, geometry: tuple[Any, Any], which: int
) -> Tensor:
    padding, dilation = geometry
    mask = [which == 0, which == 1, False]
    found = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, (1, 1, 1), padding, dilation, False, (0, 0, 0), 1, mask
    )
    result: Tensor = found[which]
    return result
