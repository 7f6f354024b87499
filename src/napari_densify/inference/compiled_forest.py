"""Trees walked by scikit-learn's compiled code: on CPUs several times faster than by torch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CompiledForest"]

_ROWS = 8192


class CompiledForest:
    """A forest rebuilt as scikit-learn's trees, which find the leaf of each row.

    Parameters
    ----------
    roots, feature, threshold, child, value
        As in :class:`napari_densify.inference.forest.Forest`.
    features
        Columns of the rows that will be asked for.

    Raises
    ------
    ValueError
        If a tree leaves its own nodes.
    Exception
        Whatever an unknown version of scikit-learn says to trees made this way.
    """

    def __init__(
        self,
        roots: npt.NDArray[Any],
        feature: npt.NDArray[Any],
        threshold: npt.NDArray[Any],
        child: npt.NDArray[Any],
        value: npt.NDArray[Any],
        *,
        features: int,
    ) -> None:
        stops = [*roots[1:], len(feature)]
        self._first = [int(root) for root in roots]
        self._values = value.astype(np.float32)
        self._trees = []
        for start, stop in zip(self._first, stops, strict=True):
            nodes = slice(start, int(stop))
            own = child[nodes] - start
            self._trees.append(_tree(feature[nodes], threshold[nodes], own, features))

    def predict(self, rows: npt.NDArray[np.float32], threads: int = 1) -> npt.NDArray[np.float32]:
        """Average the trees' probabilities ``(n, K)`` of rows ``(n, F)``."""
        out = np.empty((len(rows), self._values.shape[1]), np.float32)

        def fill(start: int) -> None:
            out[start : start + _ROWS] = self._walk(rows[start : start + _ROWS])

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, range(0, len(rows), _ROWS)))
        return out

    def _walk(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        total = np.zeros((len(rows), self._values.shape[1]), np.float32)
        for first, tree in zip(self._first, self._trees, strict=True):
            total += self._values[first + tree.apply(rows)]
        total /= np.float32(len(self._trees))
        return total


def _tree(
    feature: npt.NDArray[Any], threshold: npt.NDArray[Any], child: npt.NDArray[Any], columns: int
) -> Any:
    """Build one tree; the fields that its version of scikit-learn has besides stay 0."""
    from sklearn.tree._tree import Tree

    tree = Tree(columns, np.array([1], np.intp), 1)
    state = tree.__getstate__()
    nodes = np.zeros(len(child), state["nodes"].dtype)
    leaf = child == np.arange(len(child))
    if not len(child) or (child < 0).any() or (child + ~leaf >= len(child)).any():
        raise ValueError("a tree leaves its own nodes")  # compiled code would follow it
    if "missing_go_to_left" in (nodes.dtype.names or ()):
        nodes["missing_go_to_left"] = 1
    nodes["left_child"] = np.where(leaf, -1, child)
    nodes["right_child"] = np.where(leaf, -1, child + 1)
    nodes["feature"] = np.where(leaf, -2, feature)
    nodes["threshold"] = np.where(leaf, -2.0, threshold)
    state |= {
        "node_count": len(nodes), "nodes": nodes, "values": np.zeros((len(nodes), 1, 1)),
    }  # fmt: skip
    tree.__setstate__(state)
    return tree
