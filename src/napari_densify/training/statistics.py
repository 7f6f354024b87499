"""Batch statistics of averaged weights, measured on patches.

A network's running statistics follow the weights of each step. They are not those of the
weights' average, and far from them as long as the learning rate is high: a network that
has learned most of what it will ever know then predicts one class everywhere. A few
batches, run through with the averaged weights, give the right ones, as in stochastic
weight averaging (Izmailov et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["BatchStatistics"]

# Batches measured on; what is only shown makes do with fewer (same mean IoU within 0.01).
_BATCHES, _SHOWN = 8, 4


class BatchStatistics:
    """Measures a network's batch statistics, always on the same patches.

    Parameters
    ----------
    draw
        Gives the input ``(N, C, Z, Y, X)`` of another training step.
    """

    def __init__(self, draw: Callable[[], Tensor]) -> None:
        self._draw = draw
        self._inputs: list[Tensor] = []

    @torch.no_grad()
    def measure(self, network: nn.Module, dtype: torch.dtype | None, *, quick: bool) -> None:
        """Replace the running statistics of a network; it is left ready to predict.

        Parameters
        ----------
        network
            Takes what is drawn. Without batch normalisation it stays as it is.
        dtype
            Low precision of the training, if any.
        quick
            Whether fewer batches will do.
        """
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
        norms = [m for m in norms if m.track_running_stats]
        if norms:
            wanted = _SHOWN if quick else _BATCHES
            self._inputs += [self._draw() for _ in range(wanted - len(self._inputs))]
            self._run(network, norms, self._inputs[:wanted], dtype)
        network.eval()

    @staticmethod
    def _run(
        network: nn.Module,
        norms: list[nn.BatchNorm3d],
        inputs: list[Tensor],
        dtype: torch.dtype | None,
    ) -> None:
        network.eval()
        lasting = [m.momentum for m in norms]
        for norm in norms:
            norm.train()
            norm.reset_running_stats()
            norm.momentum = None  # each batch counts the same
        device = inputs[0].device.type
        for batch in inputs:
            with torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None):
                network(batch if dtype else batch.float())
        for norm, momentum in zip(norms, lasting, strict=True):
            norm.momentum = momentum
