"""A slicewise network asked along all three axes: small volumes with cubic voxels.

References
----------
Prasoon et al. 2013, "Deep feature learning for knee cartilage segmentation using a
triplanar convolutional neural network", MICCAI.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from napari_densify.core.blocks import Region, region_shape
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import Triple
from napari_densify.core.turning import IN_PLACE, TURNS, turn_triple, turned_volume
from napari_densify.core.volume import Volume
from napari_densify.inference.memory import PaintMemory, weigh
from napari_densify.inference.predictor import Predictor, Prepared
from napari_densify.inference.stages import Stopwatch

__all__ = ["TriplanarPredictor", "suits_triplanar"]

Floats = npt.NDArray[np.float32]
MakePredictor = Callable[[Volume, Triple], Predictor]

# The paint, and so the training, lies mostly in Z slices.
_WEIGHTS = (0.5, 0.25, 0.25)
# Beyond that the three passes, at once for the whole volume, take too long unseen.
_MOST_CELLS = 4e6
_THINNEST = 24
_CUBIC = 1.5


def suits_triplanar(spec: ModelSpec, volume: Volume, region: Region) -> bool:
    """Whether a model was made for it, and the region is deep and small enough."""
    shape = region_shape(region)
    cells = np.prod([n / f for n, f in zip(shape, spec.working_factor, strict=True)])
    ratio = volume.spacing[0] / volume.spacing[2] if volume.spacing_known else 1.0
    cubic = 1 / _CUBIC < ratio < _CUBIC
    return spec.triplanar and cubic and bool(cells <= _MOST_CELLS) and min(shape) >= _THINNEST


class TriplanarPredictor:
    """Averages what one network says of Z, Y and X slices; asked like a :class:`Predictor`.

    Parameters
    ----------
    make
        Binds the network to a volume, for regions of some extent.
    volume
        Image to be predicted.
    region
        Part of it that is wanted.
    memory
        Paint of this very volume, weighed in after the average.
    """

    def __init__(
        self, make: MakePredictor, volume: Volume, region: Region, memory: PaintMemory | None
    ) -> None:
        self._parts = [
            (turn, make(turned_volume(volume, turn), turn_triple(region_shape(region), turn)))
            for turn in (IN_PLACE, *TURNS)
        ]
        self._memory = memory
        self.spec, self.watch = self._parts[0][1].spec, Stopwatch()

    def take_notices(self) -> list[str]:
        """Return what the user should know since the last call, and forget it."""
        return [notice for _, part in self._parts for notice in part.take_notices()]

    def tiles(self, region: Region) -> list[Region]:
        """Return the region whole: its halo would cost more along the other axes."""
        return [region]

    def prepare(self, region: Region) -> Prepared:
        """Return the region, to be read by :meth:`compute`."""
        return Prepared(region, torch.empty(0), None, region)

    def compute(self, prepared: Prepared) -> Floats:
        """Predict what was prepared: ``(K, Z, Y, X)`` float32."""
        return self.predict_region(prepared.region)

    def predict_region(self, region: Region) -> Floats:
        """Average three predictions: ``(K, Z, Y, X)`` float32; sums to 1 over the classes."""
        total = np.zeros((len(self.spec.classes), *region_shape(region)), np.float32)
        for (turn, part), weight in zip(self._parts, _WEIGHTS, strict=True):
            part.watch = self.watch
            answer = part.predict_region(turn_triple(region, turn))
            total += weight * answer.transpose(0, *(1 + axis for axis in turn))
        return total if self._memory is None else weigh(total, self._memory.log_prior(region))
