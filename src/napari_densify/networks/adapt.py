"""Surgery on a trained network: other classes, channels or anisotropy, the rest kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from napari_densify.core.labels import ClassTable
from napari_densify.core.settings import NetworkConfig
from napari_densify.networks.build import build_network

__all__ = ["adapt_network", "match_classes"]

_HEADS = "heads."


def match_classes(old: ClassTable, new: ClassTable) -> list[int | None]:
    """For each new class the old one that it continues, by name, else by value.

    A name counts only if it was given by a user (``class 3`` is a placeholder);
    a value counts only where no name speaks against it.

    Returns
    -------
    Index into the old table for each new class; None for a class that is new.
    """
    names = {c.name: i for i, c in enumerate(old.classes) if not _is_placeholder(c.name)}
    values = {c.value: i for i, c in enumerate(old.classes)}
    by_name = [names.get(c.name) for c in new.classes]
    taken = {i for i in by_name if i is not None}
    matches: list[int | None] = []
    for found, row in zip(by_name, new.classes, strict=True):
        same_value = values.get(row.value)
        if found is None and same_value is not None and same_value not in taken:
            renamed = old.classes[same_value].name
            if (
                _is_placeholder(row.name)
                or _is_placeholder(renamed)
                or renamed not in {c.name for c in new.classes}
            ):
                found = same_value
                taken.add(same_value)
        matches.append(found)
    return matches


def _is_placeholder(name: str) -> bool:
    return name.startswith("class ") and name[6:].isdigit()


def adapt_network(
    state: Mapping[str, Tensor],
    old: NetworkConfig,
    new: NetworkConfig,
    *,
    classes: Sequence[int | None],
    old_classes: int | None = None,
    input_channels: Sequence[int | None] | None = None,
) -> tuple[nn.Module, list[str]]:
    """Build ``new`` and fill it with what ``state`` (of ``old``) has for it.

    Parameters
    ----------
    state
        Weights of the trained network.
    old, new
        Configurations. Kernels may differ along Z: a flat kernel becomes the middle
        of a deep one (which then computes the same at first), a deep one is summed.
    classes
        Old class for each new one, None for fresh ones.
    old_classes
        How many there were, where networks give several voxels of a working cell and
        the two have cells of different size.
    input_channels
        Old input channel for each new one, None for fresh ones; by default channels
        are matched in order, and a grey image feeds all of an RGB network's weights.

    Returns
    -------
    The network, and the names of weights that could not be taken over.
    """
    network = build_network(new)
    fresh: list[str] = []
    merged: dict[str, Tensor] = {}
    first = next(name for name in state if name.endswith("weight"))
    for name, target in network.state_dict().items():
        source = state.get(name)
        if source is not None and name == first:
            source = _pick_inputs(source, target, input_channels)
        if source is not None and name.startswith(_HEADS):
            source = _pick_outputs(source, target, classes, old_classes)
        if source is not None:
            source = _fit_depth(source, target)
        if source is None or source.shape != target.shape:
            fresh.append(name)
            merged[name] = target
        else:
            merged[name] = source.to(target.dtype)
    network.load_state_dict(merged)
    return network, fresh


def _pick_outputs(
    source: Tensor, target: Tensor, classes: Sequence[int | None], old_classes: int | None
) -> Tensor:
    """Rows of the old head; a new class starts as the mean of the old ones."""
    cells = target.shape[0] // max(len(classes), 1)
    old_cells = source.shape[0] // old_classes if old_classes else cells
    if source.shape[0] % old_cells:
        return source
    rows = source.reshape(-1, old_cells, *source.shape[1:])
    if old_cells != cells:
        rows = rows.mean(1, keepdim=True).expand(-1, cells, *source.shape[1:])
    picked = [rows.mean(0) if i is None or i >= len(rows) else rows[i] for i in classes]
    return torch.cat(picked)


def _pick_inputs(source: Tensor, target: Tensor, channels: Sequence[int | None] | None) -> Tensor:
    """Input columns of the first kernel; a channel that is new starts at 0."""
    have, want = source.shape[1], target.shape[1]
    if channels is None or len(channels) != want:  # 2.5D inside the network: as they come
        if have == want:
            return source
        if want == 1:
            return source.sum(1, keepdim=True)
        channels = [i if i < have else None for i in range(want)]
    empty = torch.zeros_like(source[:, 0])
    return torch.stack([empty if i is None else source[:, i] for i in channels], 1)


def _fit_depth(source: Tensor, target: Tensor) -> Tensor:
    """Make a kernel as deep along Z as the new network's."""
    if source.ndim != 5 or source.shape[2] == target.shape[2]:
        return source
    if target.shape[2] == 1:
        return source.sum(2, keepdim=True)
    if source.shape[2] > 1:
        return source
    if target.shape[2] % 2 == 0:  # an up-convolution writes every slice: all get the same
        return source.expand(-1, -1, target.shape[2], -1, -1)
    deep = torch.zeros_like(target)
    deep[:, :, target.shape[2] // 2 : target.shape[2] // 2 + 1] = source
    return deep
