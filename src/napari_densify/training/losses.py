"""Losses over annotated voxels only.

Labelled voxels are picked out before any arithmetic, so a voxel that is not
annotated changes neither loss nor gradient, whatever its logits are, NaN and
infinity included. Averages are ``sum(w * l) / sum(w)`` over annotated voxels and
Dice sums run over the same voxels: no loss depends on how densely one painted.

References
----------
Cicek et al. 2016, arXiv:1606.06650 (weight 0 for unlabelled). Milletari et al.
2016, arXiv:1606.04797 (Dice). Sudre et al. 2017, arXiv:1707.03237 (generalised
Dice). Lin et al. 2017, arXiv:1708.02002 (focal). Salehi et al. 2017,
arXiv:1706.05721 (Tversky).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_densify.core.recipes import LossConfig
from napari_densify.core.settings import validated
from napari_densify.training.border_weights import border_weights

__all__ = ["class_weights", "masked_loss", "resolve_loss"]

_TINY = 1e-6
# Voxels for each annotated one from which on these are picked one by one.
_FEW = 8
_SIGMOID = ("bce", "bce-dice")


class _Rows(NamedTuple):
    """The annotated voxels of a batch."""

    logits: Tensor  # (K, M) float32: softmax over the first axis is many times faster than last
    target: Tensor  # (M,) int64
    weight: Tensor  # (M,) float32


def resolve_loss(loss: str | LossConfig) -> LossConfig:
    """Turn the name of a loss into its settings.

    Raises
    ------
    InputError
        If there is no loss of that name.
    """
    if isinstance(loss, LossConfig):
        return loss
    return validated(LossConfig, {"kind": loss}, where="loss")


def class_weights(
    counts: Sequence[int],
    mode: Literal["none", "sqrt", "inverse"],
    *,
    background: int | None = None,
    background_weight: float = 1.0,
) -> Tensor:
    """Weight of each class, from its annotated voxels.

    Parameters
    ----------
    counts
        Annotated voxels of each class.
    mode
        ``inverse``: every class weighs the same in total; ``sqrt``: half way there.
    background
        Index of the class flagged as background, if any.
    background_weight
        Further factor on that class.

    Returns
    -------
    ``(K,)`` float32; 0 for classes without paint.
    """
    n = torch.as_tensor(counts, dtype=torch.float64)
    share = n.sum() / (max(int((n > 0).sum()), 1) * n.clamp(min=1))
    power = {"none": 0.0, "sqrt": 0.5, "inverse": 1.0}[mode]
    weights = torch.where(n > 0, share**power, 0.0)
    if background is not None:
        weights[background] *= background_weight
    return weights.float()


def masked_loss(
    logits: Tensor | Sequence[Tensor],
    target: Tensor,
    loss: str | LossConfig,
    *,
    weights: Tensor | None = None,
    background: int = 0,
) -> Tensor:
    """Loss of a batch over its annotated voxels.

    Parameters
    ----------
    logits
        ``(N, K, Z, Y, X)``; or several, finest first, of a network with deep
        supervision: level ``i`` then weighs ``2**-i``. A coarse level is read at
        the voxel that holds each annotated one, so thin strokes are not lost.
    target
        ``(N, Z, Y, X)`` int64 class indices, -1 where not annotated.
    loss
        Name or settings of the loss.
    weights
        ``(K,)`` class weights; all 1 by default.
    background
        Class between the objects: where ``border-ce`` adds its border weight.

    Returns
    -------
    Scalar; 0 with zero gradients if no voxel is annotated.
    """
    config = resolve_loss(loss)
    levels = [logits] if isinstance(logits, Tensor) else list(logits)
    flat = target.flatten()
    index = (flat >= 0).nonzero()[:, 0]  # (M,)
    labels = _taken(flat[None], index)[0]
    weight = torch.ones_like(labels, dtype=torch.float32)
    if weights is not None:
        weight = weights.to(weight)[labels]
    if config.kind == "border-ce":
        border = border_weights(
            target, background=background, w0=config.border_w0, sigma=config.border_sigma
        )
        weight = weight + border.flatten()[index]
    total = levels[0].new_zeros((), dtype=torch.float32)
    for i, level in enumerate(levels):
        rows = _Rows(_pick(level, index, target.shape), labels, weight)
        total = total + _rows_loss(rows, config) * 2.0**-i
    return total / sum(2.0**-i for i in range(len(levels)))


def _pick(logits: Tensor, index: Tensor, fine: torch.Size) -> Tensor:
    """Columns (K, M) of ``logits`` at annotated voxels, ``index`` into a ``fine`` batch."""
    if logits.shape[2:] != fine[1:]:  # several annotated voxels may share a coarse one
        index = _coarse_index(index, fine, logits.shape[2:])
        return logits.movedim(1, 0).flatten(1).index_select(1, index).float()
    n, classes, *space = logits.shape
    size = prod(space)
    if _FEW * len(index) > n * size or not logits.is_contiguous():
        return _taken(logits.movedim(1, 0).flatten(1), index).float()
    # Of few voxels only these are read, without a copy of all that has the classes first.
    first = index // size * (classes * size) + index % size
    rows = first + size * torch.arange(classes, device=index.device)[:, None]
    return logits.flatten().index_select(0, rows.flatten()).view(rows.shape).float()


def _coarse_index(index: Tensor, fine: torch.Size, coarse: torch.Size) -> Tensor:
    sample, *voxel = torch.unravel_index(index, fine)
    for p, n, m in zip(voxel, fine[1:], coarse, strict=True):
        sample = sample * m + (p if m == n else (2 * p + 1) * m // (2 * n))
    return sample


def _taken(columns: Tensor, index: Tensor) -> Tensor:
    # Picking all, as where whole slices are painted, would only cost time.
    return columns if len(index) == columns.shape[1] else columns.index_select(1, index)


def _rows_loss(rows: _Rows, config: LossConfig) -> Tensor:
    if rows.target.numel() == 0:
        return rows.logits.sum()  # an empty sum: 0, and its gradient is 0
    match config.kind:
        case "ce" | "weighted-ce" | "border-ce":
            return _mean(_cross_entropy(rows), rows.weight)
        case "focal":
            return _mean(_focal(rows, config.focal_gamma), rows.weight)
        case "bce":
            return _mean(_binary_cross_entropy(rows), rows.weight)
        case "dice" | "tversky" | "generalised-dice":
            return _overlap_loss(rows, config)
        case "dice-ce":
            return _mean(_cross_entropy(rows), rows.weight) + config.dice_weight * _overlap_loss(
                rows, config
            )
        case "bce-dice":
            return _mean(
                _binary_cross_entropy(rows), rows.weight
            ) + config.dice_weight * _overlap_loss(rows, config)


def _mean(losses: Tensor, weight: Tensor) -> Tensor:
    return (losses * weight).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)


def _cross_entropy(rows: _Rows) -> Tensor:
    return F.cross_entropy(rows.logits[None], rows.target[None], reduction="none")[0]


def _focal(rows: _Rows, gamma: float) -> Tensor:
    entropy = _cross_entropy(rows)
    return (-torch.expm1(-entropy)).clamp(min=_TINY) ** gamma * entropy


def _binary_cross_entropy(rows: _Rows) -> Tensor:
    """Each class against the rest, averaged over the classes."""
    truth = F.one_hot(rows.target, len(rows.logits)).T.float()
    return F.binary_cross_entropy_with_logits(rows.logits, truth, reduction="none").mean(0)


def _overlap_loss(rows: _Rows, config: LossConfig) -> Tensor:
    """1 - overlap, averaged over the classes that are annotated in this batch."""
    scores = rows.logits.sigmoid() if config.kind in _SIGMOID else torch.softmax(rows.logits, dim=0)
    truth = F.one_hot(rows.target, len(scores)).T.float()
    present = truth.sum(1) > 0
    truth, scores = truth[present], scores[present]
    both = (scores * truth).sum(1)
    predicted, painted = scores.sum(1), truth.sum(1)
    if config.kind == "generalised-dice":
        importance = painted**-2
        return 1 - 2 * (importance * both).sum() / (importance * (predicted + painted)).sum()
    alpha, beta = 0.5, 0.5  # Tversky with these is Dice
    if config.kind == "tversky":
        alpha, beta = config.tversky_alpha, config.tversky_beta
    overlap = (both + _TINY) / (both + alpha * (predicted - both) + beta * (painted - both) + _TINY)
    return 1 - overlap.mean()
