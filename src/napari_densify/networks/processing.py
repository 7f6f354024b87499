"""What a bioimage.io package asks to be done with tensors before and after its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["prepare"]

Array = npt.NDArray[np.float32]


def prepare(array: Array, steps: Sequence[Mapping[str, Any]], axes: str) -> Array:
    """Apply processing steps of a model description, 0.4 or 0.5.

    Parameters
    ----------
    array
        Tensor with one axis a letter of ``axes``.
    steps
        Each with ``id`` (or ``name``) and ``kwargs``.
    axes
        Letters, such as ``bczyx``.

    Raises
    ------
    ValueError
        For a step that is not known, or without what it needs.
    """
    for step in steps:
        name = str(step.get("id", step.get("name")))
        if name not in _STEPS:
            raise ValueError(f"its processing step {name!r} is not known")
        try:
            array = _STEPS[name](array, dict(step.get("kwargs") or {}), axes)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"its processing step {name!r} is incomplete ({error!r})") from None
    return array.astype(np.float32)


def _over(kwargs: Mapping[str, Any], axes: str) -> tuple[int, ...]:
    """Axes that statistics run over; all but the batch if none are named."""
    letters = {"batch": "b", "channel": "c"}
    named = kwargs.get("axes")
    chosen = [letters.get(a, a) for a in named] if named else [a for a in axes if a != "b"]
    return tuple(i for i, a in enumerate(axes) if a in chosen)


def _channelled(value: Any, axes: str) -> npt.NDArray[np.float64]:
    """Give a number, or one a channel, the shape that it broadcasts with."""
    found = np.asarray(value, np.float64)
    return found.reshape([-1 if a == "c" else 1 for a in axes]) if found.ndim else found


def _standardise(array: Array, kwargs: dict[str, Any], axes: str) -> Array:
    eps = float(kwargs.get("eps", 1e-6))
    if "mean" in kwargs:
        mean, deviation = (_channelled(kwargs[n], axes) for n in ("mean", "std"))
        return np.asarray((array - mean) / (deviation + eps), np.float32)
    over = _over(kwargs, axes)
    spread = array.std(over, keepdims=True) + eps
    return np.asarray((array - array.mean(over, keepdims=True)) / spread, np.float32)


def _linear(array: Array, kwargs: dict[str, Any], axes: str) -> Array:
    gain, offset = (_channelled(kwargs.get(n, d), axes) for n, d in (("gain", 1), ("offset", 0)))
    return np.asarray(array * gain + offset, np.float32)


def _percentiles(array: Array, kwargs: dict[str, Any], axes: str) -> tuple[Array, Array]:
    at = [kwargs.get("min_percentile", 0.0), kwargs.get("max_percentile", 100.0)]
    low, high = np.percentile(array, at, axis=_over(kwargs, axes), keepdims=True)
    return low, high


def _range(array: Array, kwargs: dict[str, Any], axes: str) -> Array:
    low, high = _percentiles(array, kwargs, axes)
    return np.asarray((array - low) / (high - low + float(kwargs.get("eps", 1e-6))), np.float32)


def _clip(array: Array, kwargs: dict[str, Any], axes: str) -> Array:
    if "min_percentile" in kwargs or "max_percentile" in kwargs:
        return np.clip(array, *_percentiles(array, kwargs, axes))
    return np.clip(array, kwargs.get("min", -np.inf), kwargs.get("max", np.inf))


def _sigmoid(array: Array, kwargs: dict[str, Any], axes: str) -> Array:
    del kwargs, axes
    return np.asarray(1 / (1 + np.exp(-array)), np.float32)


def _softmax(array: Array, kwargs: dict[str, Any], axes: str) -> Array:
    along = axes.index({"channel": "c"}.get(str(kwargs.get("axis", "c")), "c"))
    powers = np.exp(array - array.max(along, keepdims=True))
    return np.asarray(powers / powers.sum(along, keepdims=True), np.float32)


def _same(array: Array, kwargs: dict[str, Any], axes: str) -> Array:
    del kwargs, axes
    return array


_STEPS: dict[str, Callable[[Array, dict[str, Any], str], Array]] = {
    "clip": _clip,
    "ensure_dtype": _same,
    "fixed_zero_mean_unit_variance": _standardise,
    "scale_linear": _linear,
    "scale_range": _range,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "zero_mean_unit_variance": _standardise,
}
