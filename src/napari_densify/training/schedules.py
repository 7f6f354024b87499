"""Learning rates by budget, and optimisers.

References
----------
Loshchilov & Hutter 2017, arXiv:1608.03983 (cosine). Smith & Topin 2018,
arXiv:1708.07120 (one-cycle).
"""

from __future__ import annotations

import math
from contextlib import suppress
from importlib import import_module
from threading import Thread
from typing import Any, Literal

import torch
from torch import nn

from napari_densify.core.recipes import ScheduleConfig
from napari_densify.training.muon import Muon

__all__ = ["Schedule", "load_ahead", "make_optimiser"]

# One-cycle starts at this share of its peak (Smith & Topin).
_CYCLE_START = 0.04
# Smoothing of the noisy loss of single steps that plateau looks at.
_SMOOTHING = 0.05
# An improvement smaller than this share of the loss does not count.
_TOLERANCE = 0.01


class Schedule:
    """Factor on the learning rate, from the share of the budget that is used.

    Parameters
    ----------
    config
        Kind and parameters.
    """

    def __init__(self, config: ScheduleConfig) -> None:
        self.config = config
        self._mean: float | None = None
        self._best = math.inf
        self._best_at = 0.0
        self._factor = 1.0
        self._judged = False

    def factor(self, progress: float, step: int) -> float:
        """Factor for the next step.

        Parameters
        ----------
        progress
            Share of the budget that is used, 0 to 1.
        step
            Steps done so far.
        """
        p = min(max(progress, 0.0), 1.0)
        warm_up = min(1.0, (step + 1) / (self.config.warm_up_steps + 1))
        return warm_up * self._shape(p)

    def _shape(self, p: float) -> float:
        config = self.config
        match config.kind:
            case "constant":
                return 1.0
            case "step":
                return config.factor ** min(int(p * (config.drops + 1)), config.drops)
            case "plateau":
                return self._factor
            case "cosine":
                return _cosine(1.0, config.floor, p)
            case "one-cycle" if p < config.peak:
                return _cosine(_CYCLE_START, 1.0, p / config.peak)
            case "one-cycle":
                return _cosine(1.0, config.floor, (p - config.peak) / (1 - config.peak))

    def observe(self, loss: float, progress: float) -> None:
        """Take note of a step's loss; only ``plateau`` makes use of it."""
        if not self._judged:
            before = loss if self._mean is None else self._mean
            self._judge(before + _SMOOTHING * (loss - before), progress)

    def observe_held_out(self, loss: float, progress: float) -> None:
        """Take note of the loss on held-out paint; from now on it decides, not that of steps."""
        if not self._judged:
            self._judged, self._best = True, math.inf
        self._judge(loss, progress)

    def forget_held_out(self) -> None:
        """Compare no later loss with earlier ones: they are of other slices."""
        self._best = math.inf

    def _judge(self, loss: float, progress: float) -> None:
        self._mean = loss
        if self._mean < self._best * (1 - _TOLERANCE):
            self._best, self._best_at = self._mean, progress
        elif progress - self._best_at >= self.config.patience:
            self._factor *= self.config.factor
            self._best, self._best_at = self._mean, progress

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {
            "mean": self._mean, "best": self._best, "best_at": self._best_at,
            "factor": self._factor, "judged": self._judged,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self._mean, self._best = state["mean"], state["best"]
        self._best_at, self._factor = state["best_at"], state["factor"]
        self._judged = state["judged"]


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def load_ahead() -> None:
    """Let a thread import what the first optimiser and the first forest need: two seconds."""
    # Not a daemon: a program that ends in the middle of torch's imports is aborted.
    Thread(target=_load, name="imports").start()


def _load() -> None:
    # A program that ends meanwhile, as bad input is refused, lets nothing more be set up:
    # an import fails then, and nobody will miss it.
    with suppress(RuntimeError):
        torch.optim.SGD([torch.zeros(1, requires_grad=True)])
        import_module("sklearn.ensemble")


def make_optimiser(
    network: nn.Module,
    kind: Literal["muon", "adamw", "adam", "sgd"],
    *,
    rate: float,
    weight_decay: float,
    momentum: float = 0.9,
    encoder_rate: float = 1.0,
) -> torch.optim.Optimizer:
    """Optimiser with weight decay on convolution kernels only.

    Parameters
    ----------
    encoder_rate
        Learning rate of the encoder relative to ``rate``; 0 freezes it. Each group
        holds it as ``scale``, so a schedule sets ``lr = rate * scale * factor``.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        scale = encoder_rate if name.startswith("encoder.") else 1.0
        if scale == 0:
            parameter.requires_grad_(False)
            continue
        decay = weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    rows: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate * scale, "weight_decay": decay, "scale": scale}
        for (scale, decay), parameters in groups.items()
    ]
    if kind == "muon":
        return Muon(rows, lr=rate)
    if kind == "sgd":
        return torch.optim.SGD(rows, lr=rate, momentum=momentum, nesterov=momentum > 0)
    return (torch.optim.AdamW if kind == "adamw" else torch.optim.Adam)(rows, lr=rate)
