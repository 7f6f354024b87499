"""From probabilities to what is stored: labels, uint8 probabilities, uncertainty."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Block, Region, region_shape
from napari_densify.core.labels import label_dtype
from napari_densify.core.model import ModelSpec

__all__ = ["BlockSink", "Outputs", "Pieces"]

# Voxels converted at once: keeps intermediate arrays in the cache.
_SLICE_VOXELS = 1_000_000


class BlockSink(Protocol):
    """Where blocks of a result go (``io.create_sink`` makes them)."""

    def write(self, region: Region, array: npt.NDArray[Any]) -> None:
        """Write ``(z, y, x)`` or ``(C, z, y, x)`` values."""
        ...

    def done(self, index: tuple[int, int, int]) -> None:
        """Remember that a block is complete."""
        ...

    def is_done(self, index: tuple[int, int, int]) -> bool:
        """Whether an earlier run finished this block."""
        ...


@dataclass(frozen=True)
class Outputs:
    """What is written: labels, and probabilities and uncertainty where wanted.

    Attributes
    ----------
    labels
        ``(Z, Y, X)`` label codes.
    probabilities
        ``(K, Z, Y, X)`` uint8, 255 is certain.
    uncertainty
        ``(Z, Y, X)`` uint8, entropy over its maximum, 255 is a coin toss.
    """

    labels: BlockSink
    probabilities: BlockSink | None = None
    uncertainty: BlockSink | None = None

    @property
    def sinks(self) -> list[BlockSink]:
        """The sinks that are in use."""
        return [s for s in (self.labels, self.probabilities, self.uncertainty) if s is not None]

    def is_done(self, index: tuple[int, int, int]) -> bool:
        """Whether a block is in all of them."""
        return all(sink.is_done(index) for sink in self.sinks)


@dataclass
class Pieces:
    """A block that is put together from its tiles, in the dtypes that are stored.

    Attributes
    ----------
    block
        Its place.
    labels, probabilities, uncertainty
        Arrays as :class:`Outputs` describes them; None where not wanted.
    """

    block: Block
    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.uint8] | None
    uncertainty: npt.NDArray[np.uint8] | None
    _values: npt.NDArray[Any] = field(repr=False, default_factory=lambda: np.zeros(0))

    @classmethod
    def empty(cls, block: Block, spec: ModelSpec, *, outputs: Outputs) -> Pieces:
        """Make room for the block's results."""
        shape = region_shape(block.write)
        values = np.asarray(spec.classes.values, label_dtype(max(spec.classes.values)))
        wanted = outputs.probabilities is not None, outputs.uncertainty is not None
        return cls(
            block,
            np.empty(shape, values.dtype),
            np.empty((len(values), *shape), np.uint8) if wanted[0] else None,
            np.empty(shape, np.uint8) if wanted[1] else None,
            values,
        )

    def add(self, region: Region, probabilities: npt.NDArray[np.float32]) -> None:
        """Take over a tile ``(K, z, y, x)``, a few slices at a time."""
        corner = [s.start for s in self.block.write]
        z, y, x = (slice(s.start - c, s.stop - c) for s, c in zip(region, corner, strict=True))
        step = max(1, _SLICE_VOXELS // (probabilities.shape[2] * probabilities.shape[3]))
        for start in range(0, probabilities.shape[1], step):
            some = probabilities[:, start : start + step]
            box = (slice(z.start + start, z.start + start + some.shape[1]), y, x)
            self.labels[box] = self._values[_largest(some)]
            if self.probabilities is not None:
                self.probabilities[(slice(None), *box)] = np.rint(some * 255).astype(np.uint8)
            if self.uncertainty is not None:
                self.uncertainty[box] = _uncertainty(some)

    def write(self, outputs: Outputs) -> None:
        """Write the block everywhere, then note that it is done."""
        arrays = (self.labels, self.probabilities, self.uncertainty)
        sinks = (outputs.labels, outputs.probabilities, outputs.uncertainty)
        for sink, array in zip(sinks, arrays, strict=True):
            if sink is not None and array is not None:
                sink.write(self.block.write, array)
        for sink in outputs.sinks:
            sink.done(self.block.index)


def _largest(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Class index of the largest probability, the first of equals."""
    largest: npt.NDArray[np.intp]
    if len(probabilities) == 2:  # several times faster than argmax over a short axis
        largest = np.greater(probabilities[1], probabilities[0]).astype(np.intp)
    else:
        largest = np.argmax(probabilities, 0)
    return largest


def _uncertainty(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    p = probabilities.clip(1e-7, 1)
    entropy = -(p * np.log(p)).sum(0) / np.log(len(p))
    scaled: npt.NDArray[np.uint8] = np.rint(entropy.clip(0, 1) * 255).astype(np.uint8)
    return scaled
