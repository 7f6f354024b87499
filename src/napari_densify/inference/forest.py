"""A random forest as plain arrays: stored with a model, walked by torch on any device.

Network and forest err differently: one sees shapes and overfits few slices, the other
sees one voxel's features and does not. The geometric mean of their probabilities is
better than either (Genest & Zidek 1986, "Combining probability distributions",
Statistical Science 1, 114: the logarithmic opinion pool).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_densify.core.errors import InputError
from napari_densify.core.settings import Triple
from napari_densify.inference.compiled_forest import CompiledForest

__all__ = ["Forest", "enlarged", "opinion_pool"]

_PREFIX = "forest."
_DEEPEST = 64
_CHUNK = 1 << 13
_LEAST = 2e-3


@dataclass(frozen=True)
class Forest:
    """Decision trees, their nodes one after another.

    A node sends a voxel to ``child``, or to the node after that if its feature is above
    the threshold; a leaf is its own child and has an infinite threshold.

    Attributes
    ----------
    roots
        ``(T,)`` int32, first node of each tree.
    feature
        ``(N,)`` int32.
    threshold
        ``(N,)`` float32.
    child
        ``(N,)`` int32, never before the node itself.
    value
        ``(N, K)`` float16 probabilities of the classes.
    """

    roots: torch.Tensor
    feature: torch.Tensor
    threshold: torch.Tensor
    child: torch.Tensor
    value: torch.Tensor
    _kept: dict[int, CompiledForest | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def from_trees(cls, trees: Iterable[Any], columns: np.ndarray, classes: int) -> Forest:
        """Take over fitted scikit-learn trees whose classes are ``columns`` of ``classes``."""
        parts: list[list[np.ndarray]] = [[], [], [], [], []]
        offset = 0
        for tree in trees:
            rows = _flatten(tree, offset, columns, classes)
            for part, row in zip(parts, (np.array([offset]), *rows), strict=True):
                part.append(row)
            offset += len(rows[0])
        joined = [torch.from_numpy(np.concatenate(p)) for p in parts]
        return cls(*joined)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Forest | None:
        """Take a forest out of a model file; None if it holds none.

        Raises
        ------
        InputError
            If its nodes don't form trees.
        """
        names = [f.name for f in fields(cls) if f.init]
        if not any(_PREFIX + name in tensors for name in names):
            return None
        try:
            forest = cls(*(tensors[_PREFIX + name] for name in names))
            forest._check()
        except (KeyError, ValueError) as error:
            raise InputError(
                f"damaged random forest: {error}", where="model", mend="train the model again"
            ) from None
        return forest

    def tensors(self) -> dict[str, torch.Tensor]:
        """Tensors to store in a model file."""
        return {_PREFIX + f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def to(self, device: torch.device) -> Forest:
        """Copy it to a device."""
        return Forest(*(getattr(self, f.name).to(device) for f in fields(self) if f.init))

    def predict(self, features: torch.Tensor) -> torch.Tensor:
        """Average the trees' probabilities.

        Parameters
        ----------
        features
            ``(F, ...)``, as in training.

        Returns
        -------
        ``(K, ...)`` float32.

        Raises
        ------
        InputError
            If it was trained on more features.
        """
        if int(self.feature.max()) >= len(features):
            raise InputError(f"its forest knows more than {len(features)} features", where="model")
        rows = features.flatten(1).T
        compiled = self._compiled(len(features)) if rows.device.type == "cpu" else None
        if compiled is not None:
            found = compiled.predict(rows.float().contiguous().numpy(), torch.get_num_threads())
            return torch.from_numpy(found).T.reshape(-1, *features.shape[1:])
        parts = [self._walk(part.float().contiguous()) for part in torch.split(rows, _CHUNK)]
        return torch.cat(parts).T.reshape(-1, *features.shape[1:])

    def _compiled(self, features: int) -> CompiledForest | None:
        """Return the same trees for scikit-learn; None if this version of it refuses them."""
        if features not in self._kept:
            parts = (getattr(self, f.name).numpy() for f in fields(self) if f.init)
            try:
                self._kept[features] = CompiledForest(*parts, features=features)
            except Exception:  # trees made this way are no part of its promises
                self._kept[features] = None
        return self._kept[features]

    def _walk(self, rows: torch.Tensor) -> torch.Tensor:
        """Probabilities ``(n, K)`` of rows ``(n, F)``."""
        flat = rows.flatten()
        first = torch.arange(0, flat.numel(), rows.shape[1], device=rows.device, dtype=torch.int32)
        total = torch.zeros(len(rows), self.value.shape[1], device=rows.device)
        for root in self.roots:
            node = root.to(torch.int32).expand(len(rows))
            for level in range(_DEEPEST):
                seen = flat.index_select(0, first + self.feature.index_select(0, node))
                above = seen > self.threshold.index_select(0, node)
                deeper = self.child.index_select(0, node) + above.int()
                if level % 4 == 3 and torch.equal(deeper, node):
                    break
                node = deeper
            total += self.value.index_select(0, node)
        return total / len(self.roots)

    def _check(self) -> None:
        nodes = len(self.feature)
        itself = torch.arange(nodes)
        leaf = self.child == itself
        sound = (
            self.value.ndim == 2
            and len(self.threshold) == len(self.child) == len(self.value) == nodes > 0
            and len(self.roots) > 0
            and bool(((self.roots >= 0) & (self.roots < nodes)).all())
            and bool((self.feature >= 0).all())
            and bool(((self.child >= itself) & (self.child + ~leaf < nodes)).all())
            and bool(self.threshold[leaf].isposinf().all())
        )
        if not sound:
            raise ValueError("its nodes don't form trees")


def opinion_pool(probabilities: torch.Tensor, opinion: torch.Tensor, weight: float) -> torch.Tensor:
    """Weighted geometric mean of two opinions on the classes.

    Parameters
    ----------
    probabilities
        ``(K, Z, Y, X)`` of the network.
    opinion
        ``(K, Z, Y, X)`` of the forest.
    weight
        Of the forest, 0 to 1.
    """
    log = (1 - weight) * probabilities.clamp(min=_LEAST).log()
    return torch.softmax(log.add_(opinion.clamp(min=_LEAST).log_(), alpha=weight), 0)


def enlarged(opinion: torch.Tensor, factor: Triple) -> torch.Tensor:
    """Interpolate ``(K, z, y, x)`` on working cells to voxels ``(K, Z, Y, X)``."""
    if factor == (1, 1, 1):
        return opinion
    scale = tuple(float(f) for f in factor)
    return F.interpolate(opinion[None], scale_factor=scale, mode="trilinear")[0]


def _flatten(
    tree: Any, offset: int, columns: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Feature, threshold, child and value of a tree's nodes, siblings side by side."""
    left, right = tree.children_left, tree.children_right
    order = [0]
    for node in order:  # grows while it is walked
        if left[node] >= 0:
            order += [left[node], right[node]]
    old = np.array(order)
    new = np.empty(len(old), np.int32)
    new[old] = np.arange(len(old))
    leaf = left[old] < 0
    child = np.where(leaf, np.arange(len(old)), new[left[old]]) + offset
    value = np.zeros((len(old), classes), np.float16)
    shares = tree.value[old, 0]
    value[:, columns] = shares / shares.sum(1, keepdims=True)
    return (
        np.where(leaf, 0, tree.feature[old]).astype(np.int32),
        np.where(leaf, np.inf, tree.threshold[old]).astype(np.float32),
        child.astype(np.int32),
        value,
    )
