"""The U-Net: one class for 2D, 3D, valid, padded, residual, attention and V-Net variants.

References
----------
Ronneberger, Fischer & Brox 2015, arXiv:1505.04597. Cicek et al. 2016,
arXiv:1606.06650. Milletari, Navab & Ahmadi 2016, arXiv:1606.04797 (V-Net).
Oktay et al. 2018, arXiv:1804.03999 (attention gates). Lee et al. 2017,
arXiv:1706.00120 (residual, summed skips, anisotropic kernels).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_densify.core.settings import NetworkConfig
from napari_densify.networks.layers import (
    AttentionGate,
    ConvolutionBlock,
    Down,
    Head,
    SliceContext,
    Up,
    centre_crop,
    crop_to,
)
from napari_densify.networks.operations import by_slices, is_slicewise

__all__ = ["UNet"]


class Encoder(nn.Module):
    """Contracting path: one block a level, with a :class:`Down` between levels."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.context = SliceContext(config.slice_context)
        self.blocks = nn.ModuleList()
        self.downs = nn.ModuleList()
        self.dropouts = nn.ModuleList()
        channels = config.in_channels * (2 * config.slice_context + 1)
        for level, widths in enumerate(config.encoder):
            if level:
                down = Down(config, config.pools[level - 1], channels, widths[0])
                self.downs.append(down)
                channels = down.out_channels
            dilation = config.dilations[level] if config.dilations else 1
            self.blocks.append(
                ConvolutionBlock(config, channels, widths, config.kernels[level], dilation=dilation)
            )
            deep = level >= len(config.encoder) - config.dropout_levels
            self.dropouts.append(nn.Dropout(config.dropout if deep else 0.0))
            channels = widths[-1]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of every level, finest first, of what ``context`` gave."""
        features: list[Tensor] = []
        for level, (block, dropout) in enumerate(zip(self.blocks, self.dropouts, strict=True)):
            if level:
                x = self.downs[level - 1](x)
            x = dropout(block(x))
            features.append(x)
        return features


class DecoderLevel(nn.Module):
    """Up-sample, meet the skip connection, convolve."""

    def __init__(self, config: NetworkConfig, level: int, in_channels: int) -> None:
        super().__init__()
        skip = config.encoder[level][-1]
        self.valid = config.padding == "valid"
        self.sum = config.skip == "sum"
        self.up = Up(config, level, in_channels, skip)
        self.gate = AttentionGate(config, skip, self.up.out_channels) if config.attention else None
        merged = skip if self.sum else skip + self.up.out_channels
        widths = config.decoder[level]
        self.block = ConvolutionBlock(config, merged, widths, config.kernels[level])
        self.out_channels = widths[-1] if widths else merged

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Merge coarse ``x`` with ``skip`` and return features at the skip's level."""
        x = self.up(x)
        if self.valid:
            skip = centre_crop(skip, x.shape[2:])
        else:
            x = crop_to(x, skip.shape[2:])
        if self.gate is not None:
            skip = self.gate(skip, x)
        merged = x + skip if self.sum else torch.cat([skip, x], dim=1)
        result: Tensor = self.block(merged)
        return result


class UNet(nn.Module):
    """U-Net built from a :class:`~napari_densify.core.settings.NetworkConfig`."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self._slicewise = is_slicewise(config)
        self.encoder = Encoder(config)
        self.decoder = nn.ModuleList()
        heads: list[nn.Module] = []
        channels = config.encoder[-1][-1]
        for level in reversed(range(len(config.decoder))):
            step = DecoderLevel(config, level, channels)
            self.decoder.append(step)
            channels = step.out_channels
            if level == 0 or config.deep_supervision:
                heads.append(Head(channels, config.out_channels))
        if not config.decoder:
            heads.append(Head(channels, config.out_channels))
        self.heads = nn.ModuleList(reversed(heads))

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Map ``(N, C, Z, Y, X)`` to float32 logits ``(N, K, z, y, x)``.

        While training with deep supervision: a list of them, finest first.
        """
        x = self.encoder.context(x)
        result: Tensor | list[Tensor] = (
            by_slices(self._levels, x) if self._slicewise else self._levels(x)
        )
        return result

    def _levels(self, x: Tensor) -> Tensor | list[Tensor]:
        *skips, x = self.encoder(x)
        levels: list[Tensor] = []
        for step, skip in zip(self.decoder, reversed(skips), strict=True):
            x = step(x, skip)
            levels.append(x)
        if not self.training or len(self.heads) == 1:
            finest: Tensor = self.heads[0](x)
            return finest
        return [head(level) for head, level in zip(self.heads, reversed(levels), strict=True)]
