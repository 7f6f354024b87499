"""Layers that the networks are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_densify.core.settings import NetworkConfig, Triple
from napari_densify.networks.operations import (
    convolve,
    convolve_transposed,
    pad_end,
    pool,
    resize,
)

__all__ = [
    "AttentionGate",
    "Convolution",
    "ConvolutionBlock",
    "Down",
    "Head",
    "SliceContext",
    "Up",
    "centre_crop",
    "crop_to",
]


def centre_crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """Central part of ``(N, C, Z, Y, X)`` with the given (Z, Y, X) size."""
    for axis, n in enumerate(size, start=2):
        if x.shape[axis] != n:
            x = x.narrow(axis, (x.shape[axis] - n) // 2, n)
    return x


def crop_to(x: Tensor, size: Sequence[int]) -> Tensor:
    """First (Z, Y, X) voxels of ``x``: undoes the padding of :class:`Down`."""
    for axis, n in enumerate(size, start=2):
        if x.shape[axis] != n:
            x = x.narrow(axis, 0, n)
    return x


class GroupNorm(nn.GroupNorm):
    """Group normalisation that also takes a group of a single voxel (which becomes 0)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(N, C, Z, Y, X)``."""
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class BatchNorm(nn.BatchNorm3d):
    """Batch normalisation that also takes slices ``(N, C, Y, X)``, and a single voxel.

    A single voxel has no statistics of its own.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        """Take volumes and slices alike."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(N, C, Z, Y, X)``."""
        own = self.training or not self.track_running_stats
        if not own or x.numel() > x.shape[1]:
            return super().forward(x)
        if self.running_mean is None:
            return torch.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )


def make_norm(config: NetworkConfig, channels: int) -> nn.Module:
    """Normalisation layer of the configuration for so many channels."""
    match config.norm:
        case "group":
            return GroupNorm(gcd(config.norm_groups, channels), channels)
        case "batch":
            return BatchNorm(channels, track_running_stats=not config.batch_statistics)
        case "instance":  # the same sums; unlike InstanceNorm3d it keeps channels_last_3d
            return GroupNorm(channels, channels)
        case "none":
            return nn.Identity()


def make_activation(config: NetworkConfig, channels: int) -> nn.Module:
    """Activation of the configuration."""
    match config.activation:
        case "relu":
            return nn.ReLU(inplace=True)
        case "leaky_relu":
            return nn.LeakyReLU(0.01, inplace=True)
        case "silu":
            return nn.SiLU(inplace=True)
        case "elu":
            return nn.ELU(inplace=True)
        case "prelu":
            return nn.PReLU(channels)


class Projection(nn.Conv3d):
    """Convolution of any stride: a projection, or one that down-samples."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(N, C, Z, Y, X)`` or ``(N, C, Y, X)``."""
        sizes: dict[str, Any] = {"stride": self.stride, "padding": self.padding}
        return convolve(x, self.weight, self.bias, dilation=self.dilation, **sizes)


class UpConvolution(nn.ConvTranspose3d):
    """Transposed convolution whose stride is its kernel."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Enlarge ``(N, C, Z, Y, X)`` or ``(N, C, Y, X)``."""
        return convolve_transposed(x, self.weight, self.bias, self.stride)


class Convolution(nn.Conv3d):
    """3D convolution with ``same`` or ``valid`` padding, even kernels included."""

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: Triple,
        *,
        padding: str = "same",
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        lost = [(k - 1) * dilation if padding == "same" else 0 for k in kernel]
        z, y, x = (n // 2 for n in lost)
        super().__init__(*channels, kernel, padding=(z, y, x), dilation=dilation, bias=bias)
        self._pad, self._dilate = (z, y, x), (dilation, dilation, dilation)
        self._odd = [n % 2 for n in lost]  # even kernels: one more

    @property
    def fusible(self) -> bool:
        """Whether it is one plain convolution, padded alike on both sides."""
        return not any(self._odd) and self.groups == 1

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(N, C, Z, Y, X)`` or ``(N, C, Y, X)``."""
        x = pad_end(x, self._odd, "constant")
        return convolve(x, self.weight, self.bias, padding=self._pad, dilation=self._dilate)


class ConvolutionBlock(nn.Module):
    """Convolution, normalisation, activation, once for each entry of ``widths``.

    A residual block adds its input (projected by a 1x1x1 convolution if the
    number of channels changes) before the last activation (He et al. 2016).
    """

    def __init__(
        self,
        config: NetworkConfig,
        in_channels: int,
        widths: Sequence[int],
        kernel: Triple,
        *,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        channels = in_channels
        for width in widths:
            convolution = Convolution(
                (channels, width), kernel, padding=config.padding, dilation=dilation
            )
            self.layers.append(nn.Sequential(convolution, make_norm(config, width)))
            channels = width
        self.activations = nn.ModuleList(make_activation(config, n) for n in widths)
        self.shortcut: nn.Module | None = None
        if config.residual:
            self.shortcut = (
                nn.Identity() if in_channels == channels else Projection(in_channels, channels, 1)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in, Z, Y, X)`` to ``(N, widths[-1], z, y, x)``."""
        start = x
        last = len(self.layers) - 1
        for i, (layer, activation) in enumerate(zip(self.layers, self.activations, strict=True)):
            x = layer(x)
            if i == last and self.shortcut is not None:
                x = x + self.shortcut(centre_crop(start, x.shape[2:]))
            x = activation(x)
        return x


class Down(nn.Module):
    """Down-sampling by a pool; a size that it doesn't divide is padded with its border."""

    def __init__(self, config: NetworkConfig, pool: Triple, in_channels: int, out: int) -> None:
        super().__init__()
        self.kind = config.down
        self.pool = pool
        self.out_channels = in_channels
        if config.down in ("strided", "dilated"):
            self.out_channels = out
            self.convolution = nn.Sequential(
                _down_convolution(config.down, in_channels, out, pool),
                make_norm(config, out),
                make_activation(config, out),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` to ceil(size / pool) voxels."""
        x = pad_to_multiple(x, self.pool)
        if self.kind in ("max", "average"):
            return pool(x, self.pool, self.kind)
        result: Tensor = self.convolution(x)
        return result


def _down_convolution(kind: str, channels: int, out: int, pool: Triple) -> nn.Conv3d:
    if kind == "strided":
        return Projection(channels, out, pool, stride=pool)
    taps = [(3, 2) if p > 1 else (1, 1) for p in pool]  # kernel and dilation of each axis
    (kz, dz), (ky, dy), (kx, dx) = taps
    padding = (kz // 2 * dz, ky // 2 * dy, kx // 2 * dx)
    return Projection(
        channels, out, (kz, ky, kx), stride=pool, padding=padding, dilation=(dz, dy, dx)
    )


def pad_to_multiple(x: Tensor, pool: Triple) -> Tensor:
    """Repeat the far border so that the pool divides the (Z, Y, X) size."""
    spatial = x.shape[2:]
    missing = [-n % p for n, p in zip(spatial, pool[-len(spatial) :], strict=True)]
    return pad_end(x, [0] * (3 - len(missing)) + missing, "replicate")


class Up(nn.Module):
    """Up-sampling by a factor, with or without a convolution."""

    def __init__(self, config: NetworkConfig, level: int, in_channels: int, skip: int) -> None:
        super().__init__()
        self.kind = config.up
        self.pool = config.pools[level]
        out = config.up_channels[level] if config.up_channels else None
        if out is None:
            learned = config.up in ("transposed", "resize_conv") or config.skip == "sum"
            out = skip if learned else in_channels
        self.out_channels = out
        self.convolution = self._make_convolution(config, level, in_channels, out)
        self.finish: nn.Module = nn.Identity()
        if config.up_activation:
            self.finish = nn.Sequential(make_norm(config, out), make_activation(config, out))

    def _make_convolution(
        self, config: NetworkConfig, level: int, in_channels: int, out: int
    ) -> nn.Module:
        if config.up == "transposed":
            return UpConvolution(in_channels, out, self.pool, stride=self.pool, bias=config.up_bias)
        if config.up == "resize_conv":
            kernel = config.up_kernel or config.kernels[level]
            return Convolution((in_channels, out), kernel, bias=config.up_bias)
        if out != in_channels:
            return Projection(in_channels, out, 1, bias=config.up_bias)
        return nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` to size * pool voxels."""
        if self.kind == "transposed":
            x = self.convolution(x)
        elif self.kind == "resize_conv":
            x = self.convolution(self._resize(x))
        else:  # a projection is cheaper before the resize, and gives the same
            x = self._resize(self.convolution(x))
        result: Tensor = self.finish(x)
        return result

    def _resize(self, x: Tensor) -> Tensor:
        return resize(x, self.pool, linear=self.kind == "linear")


class AttentionGate(nn.Module):
    """Additive attention gate on a skip connection (Oktay et al. 2018, eq. 1-2)."""

    def __init__(self, config: NetworkConfig, skip: int, gate: int) -> None:
        super().__init__()
        inner = max(skip // 2, 1)
        self.skip = nn.Sequential(Projection(skip, inner, 1), make_norm(config, inner))
        self.gate = nn.Sequential(Projection(gate, inner, 1), make_norm(config, inner))
        self.score: nn.Module = Projection(inner, 1, 1)
        if config.norm == "batch":  # other norms would level one map over the whole tile
            self.score = nn.Sequential(self.score, make_norm(config, 1))

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        """Weigh ``skip`` (N, C, Z, Y, X) by ``gate`` of the same spatial shape."""
        alpha = torch.sigmoid(self.score(F.relu(self.skip(skip) + self.gate(gate))))
        return skip * alpha


class Head(nn.Module):
    """1x1x1 convolution to the classes, in float32 even under autocast."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = Projection(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` to float32 logits ``(N, K, Z, Y, X)``."""
        with torch.autocast(device_type=x.device.type, enabled=False):
            weight, bias = self.convolution.weight.flatten(1), self.convolution.bias
            assert bias is not None
            # What follows wants each class by itself in memory, and gets it without a copy.
            logits = torch.bmm(weight.expand(len(x), -1, -1), x.float().flatten(2))
            logits = logits + bias[:, None]
        return logits.reshape(*logits.shape[:2], *x.shape[2:])


class SliceContext(nn.Module):
    """Neighbouring slices as further channels (2.5D); the end slices are repeated."""

    def __init__(self, slices: int) -> None:
        super().__init__()
        self.slices = slices

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` to ``(N, C * (2 slices + 1), Z, Y, X)``."""
        if self.slices == 0:
            return x
        padded = F.pad(x, (0, 0, 0, 0, self.slices, self.slices), mode="replicate")
        depth = x.shape[2]
        return torch.cat([padded.narrow(2, i, depth) for i in range(2 * self.slices + 1)], dim=1)
