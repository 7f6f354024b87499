"""Any stored axis order seen as (C,) Z, Y, X, still read piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.core.volume import ArrayLike
from napari_densify.io._guard import guarded

__all__ = ["LazyArray", "guess_axes", "order_axes", "supported_dtype"]


def guess_axes(shape: Sequence[int]) -> str:
    """Name the axes of an array whose file does not.

    The last three are Z, Y, X, unless the last is short (at most 4) and can only
    be channels. A fourth axis is channels, a fifth time.
    """
    n = len(shape)
    channels_last = n >= 3 and shape[-1] <= 4 and min(shape[-3:-1]) > 4
    if channels_last and (n > 3 or shape[-1] in (3, 4)):
        return {3: "YXC", 4: "ZYXC", 5: "TZYXC"}.get(n, "?" * n)
    return {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}.get(n, "?" * n)


def order_axes(axes: str, shape: Sequence[int], where: str) -> tuple[str, tuple[str, ...]]:
    """Settle what each stored axis is: C, Z, Y, X, or ``-`` for one to drop.

    Returns
    -------
    One letter for each stored axis, and notes for the user.

    Raises
    ------
    InputError
        For time series, and axes that nothing can be made of.
    """
    roles = ["C" if a == "S" else a for a in axes.upper()]
    notes: list[str] = []
    for i, (role, n) in enumerate(zip(roles, shape, strict=True)):
        if n == 1 and role not in "ZYX":
            roles[i] = "-"
        elif role in "TIQR?" and not _has(roles, shape, "Z"):
            roles = ["-" if r == "Z" else r for r in roles]
            roles[i] = "Z"
            notes += ["the time axis is taken as slices"] if role == "T" else []
    text = "".join(roles)
    kept = text.replace("-", "")
    if "T" in kept:
        raise InputError(
            f"this is a time series ({_shape_text(axes, shape)})",
            where=where,
            mend="save one time point as a file of its own",
        )
    if sorted(kept) not in (sorted("YX"), sorted("ZYX"), sorted("CYX"), sorted("CZYX")):
        raise InputError(
            f"axes are not understood ({_shape_text(axes, shape)})",
            where=where,
            mend="save it with axes Z, Y, X or C, Z, Y, X",
        )
    return text, tuple(notes)


def _has(roles: list[str], shape: Sequence[int], axis: str) -> bool:
    return any(r == axis and n > 1 for r, n in zip(roles, shape, strict=True))


def _shape_text(axes: str, shape: Sequence[int]) -> str:
    return ", ".join(f"{a} {n}" for a, n in zip(axes, shape, strict=True))


def supported_dtype(dtype: np.dtype[Any], where: str) -> np.dtype[Any]:
    """Dtype in native byte order that voxels are handed out in; booleans become uint8.

    Raises
    ------
    InputError
        For complex numbers, texts, records and Python objects.
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "uif":
        raise InputError(
            f"voxels of type {dtype} cannot be used",
            where=where,
            mend="save integers or real numbers",
        )
    return dtype.newbyteorder("=")


class LazyArray:
    """A stored array as ``(Z, Y, X)`` or ``(C, Z, Y, X)``; only what is asked for is read.

    Takes integers, slices and ``...``; anything else that numpy would take is not
    an index into a file.

    Parameters
    ----------
    raw
        Stored array, indexed with one slice an axis.
    roles
        From :func:`order_axes`.
    where
        Address, for errors.
    channels
        Channels to keep; a single one gives ``(Z, Y, X)``.
    """

    def __init__(
        self,
        raw: ArrayLike,
        roles: str,
        *,
        where: str,
        channels: Sequence[int] | None = None,
    ) -> None:
        self._raw, self._roles, self._where = raw, roles, where
        self.dtype = supported_dtype(np.dtype(raw.dtype), where)
        if min(raw.shape) < 1:
            raise InputError(f"its shape {tuple(raw.shape)} is impossible", where=where)
        lengths = dict(zip(roles, raw.shape, strict=True))
        self._channels = self._select(channels, int(lengths.get("C", 1)))
        self._plane_axes = tuple(int(lengths.get(a, 1)) for a in "ZYX")
        several = len(self._channels) > 1
        self.shape: tuple[int, ...] = (
            (len(self._channels), *self._plane_axes) if several else self._plane_axes
        )

    @property
    def ndim(self) -> int:
        """Number of axes: 3, or 4 with channels."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array, uncompressed."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Read a part, in native byte order.

        Raises
        ------
        InputError
            If the file turns out to be damaged there, or is gone.
        """
        keys = self._expand(key)
        if _strided(keys[-3]) and range(*keys[-3].indices(self._plane_axes[0])):
            return self._every_nth(keys)
        spans, after = zip(
            *(_span(k, n) for k, n in zip(keys, self.shape, strict=True)), strict=True
        )
        shape = [s.stop - s.start for s in spans]
        if 0 in shape:
            nothing: npt.NDArray[Any] = np.empty(shape, self.dtype)[after]
            return nothing
        box = spans[-3:]
        channels = self._channels[spans[0]] if len(spans) == 4 else self._channels
        with guarded(self._where):
            block = self._read(channels, box)
        if list(block.shape[-len(shape) :]) != shape:
            raise InputError(
                f"a piece of shape {tuple(block.shape)} came where {tuple(shape)} was promised",
                where=self._where,
                mend="the file is damaged: copy or export it again",
            )
        part: npt.NDArray[Any] = block[after]
        return part

    def _every_nth(self, keys: tuple[Any, ...]) -> npt.NDArray[Any]:
        """Read slices with others between them, one by one."""
        depth = range(*keys[-3].indices(self._plane_axes[0]))
        axis = sum(isinstance(k, slice) for k in keys[:-3])
        return np.stack([self[(*keys[:-3], z, *keys[-2:])] for z in depth], axis=axis)

    def _expand(self, key: Any) -> tuple[Any, ...]:
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            fill = (slice(None),) * (self.ndim - len(keys) + 1)
            keys = (*keys[:at], *fill, *keys[at + 1 :])
        keys = (*keys, *(slice(None),) * (self.ndim - len(keys)))
        if len(keys) > self.ndim:
            raise IndexError(f"{len(keys)} indices for {self.ndim} axes")
        return keys

    def _read(self, channels: tuple[int, ...], box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read ``(C, Z, Y, X)`` or, with one channel, ``(Z, Y, X)``."""
        if len(channels) == 1 and self.ndim == 3:
            block: npt.NDArray[Any] = self._read_span(slice(channels[0], channels[0] + 1), box)[0]
            return block
        if channels == tuple(range(channels[0], channels[-1] + 1)):
            return self._read_span(slice(channels[0], channels[-1] + 1), box)
        return np.concatenate([self._read_span(slice(c, c + 1), box) for c in channels])

    def _read_span(self, channels: slice, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        wanted = dict(zip("CZYX", (channels, *box), strict=True))
        key = tuple(wanted.get(role, slice(0, 1)) for role in self._roles)
        block: npt.NDArray[Any] = np.asarray(self._raw[key]).astype(self.dtype, copy=False)
        order = sorted(range(block.ndim), key=lambda i: "-CZYX".index(self._roles[i]))
        block = block.transpose(order)
        kept = [n for n, i in zip(block.shape, order, strict=True) if self._roles[i] != "-"]
        lengths = dict(zip((r for r in "CZYX" if r in self._roles), kept, strict=True))
        return block.reshape([lengths.get(a, 1) for a in "CZYX"])

    def _select(self, channels: Sequence[int] | None, available: int) -> tuple[int, ...]:
        chosen = tuple(range(available)) if channels is None else tuple(map(int, channels))
        bad = [c for c in chosen if not 0 <= c < available]
        if bad or not chosen:
            raise InputError(
                f"there is no channel {bad[0]}" if bad else "no channel is chosen",
                where=self._where,
                mend=f"the image has channels 0..{available - 1}",
            )
        return chosen


def _strided(key: Any) -> bool:
    return isinstance(key, slice) and abs(key.step or 1) > 1


def _span(key: Any, n: int) -> tuple[slice, Any]:
    """Contiguous span to read along an axis, and what to take of it afterwards."""
    if isinstance(key, slice):
        picked = range(*key.indices(n))
        if not picked:
            return slice(0, 0), slice(None)
        first, last = min(picked[0], picked[-1]), max(picked[0], picked[-1])
        return slice(first, last + 1), slice(None, None, picked.step)
    try:
        index = int(key.__index__())
    except AttributeError:
        raise IndexError("a file is indexed with integers and slices") from None
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for an axis of length {n}")
    index %= n
    return slice(index, index + 1), 0
