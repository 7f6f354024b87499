"""Exponential moving average of the weights: what the user sees."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["AveragedWeights"]


class AveragedWeights:
    """Average of a network's weights over its last steps.

    The decay warms up, ``min(decay, (1 + t) / (10 + t))``, so that a short
    training does not keep its random start in the average.

    Parameters
    ----------
    network
        Network whose weights are averaged.
    decay
        Final decay per step; 0 keeps the last weights only.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._average = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after step number ``step`` (from 1)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            mean = self._average[name]
            if value.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Averaged weights and buffers, as a network's state."""
        return self._average
