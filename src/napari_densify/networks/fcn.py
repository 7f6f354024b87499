"""The fully convolutional network, the historical baseline.

References
----------
Long, Shelhamer & Darrell 2015, arXiv:1411.4038: scores of the coarsest levels
are up-sampled and summed (FCN-32s, -16s, -8s), then enlarged to the input.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_densify.core.settings import NetworkConfig
from napari_densify.networks.layers import Head
from napari_densify.networks.unet import Encoder

__all__ = ["FCN"]


class FCN(nn.Module):
    """Encoder, one score layer for each of the coarsest levels, summed."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        used = config.encoder[-config.score_levels :]
        self.heads = nn.ModuleList(Head(widths[-1], config.out_channels) for widths in used)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` to float32 logits ``(N, K, Z, Y, X)``."""
        shape = x.shape[2:]
        features = self.encoder(self.encoder.context(x))[-len(self.heads) :]
        scores = [head(level) for head, level in zip(self.heads, features, strict=True)]
        total = scores.pop()
        while scores:
            finer = scores.pop()
            total = finer + _enlarge(total, finer.shape[2:])
        return _enlarge(total, shape)


def _enlarge(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="trilinear", align_corners=False)
