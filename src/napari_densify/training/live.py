"""What the user sees while training goes on: the slice on screen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.blocks import Region
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event, LayerUpdated
from napari_densify.core.labels import label_dtype
from napari_densify.core.normalisation import Intensity
from napari_densify.core.volume import Volume
from napari_densify.inference.predictor import Predictor
from napari_densify.io import Sink, create_sink
from napari_densify.training.paint import TrainingSource
from napari_densify.training.state import TrainingState

__all__ = ["LivePreview"]

# Share of the time that previews may take from training.
_PREVIEW_SHARE = 0.4


class LivePreview:
    """Predicts the slice on screen again and again while training goes on.

    Parameters
    ----------
    source
        Volume that the user looks at.
    intensity
        Its measured intensities.
    path
        Zarr array that the preview is written to.
    """

    def __init__(self, source: TrainingSource, intensity: Intensity, path: Path) -> None:
        self._volume, self._intensity, self._path = source.volume, intensity, path
        self._sink: Sink | None = None
        self._shown: int | None = None
        self._finished, self._cost = 0.0, 0.0

    def answer(self, state: TrainingState, control: JobControl) -> Iterator[Event]:
        """Predict what is on screen if the user has moved or the model has improved."""
        if control.view is None or state.step == 0:
            return
        moved = control.view_generation != self._shown
        rested = time.monotonic() - self._finished > self._cost / _PREVIEW_SHARE
        if not (moved or rested):
            return
        began = time.monotonic()
        generation, region = control.view_generation, _clipped(control.view, self._volume)
        labels = _labels(_predictor(state, self._volume, self._intensity), region)
        self._open(state).write(region, labels)
        self._shown, self._finished = generation, time.monotonic()
        self._cost = self._finished - began
        yield LayerUpdated(
            path=str(self._path),
            name="Live preview",
            role="preview",
            region=_bounds(region),
            generation=generation,
            message=f"Live preview, step {state.step}",
        )

    def _open(self, state: TrainingState) -> Sink:
        if self._sink is None:
            self._sink = create_sink(
                self._path,
                shape=self._volume.shape,
                dtype=label_dtype(max(state.spec.classes.values)),
                spacing=self._volume.spacing,
                spacing_known=self._volume.spacing_known,
                classes=state.spec.classes,
                chunks=(1, 512, 512),
            )
        return self._sink


def _predictor(state: TrainingState, volume: Volume, intensity: Intensity) -> Predictor:
    return Predictor(
        state.averaged_network(),
        state.spec,
        volume,
        device=state.device,
        precision=state.plan.precision,
        intensity=intensity,
    )


def _labels(predictor: Predictor, region: Region) -> npt.NDArray[Any]:
    values = np.asarray(predictor.spec.classes.values)
    codes = values[predictor.predict_region(region).argmax(0)]
    labels: npt.NDArray[Any] = codes.astype(label_dtype(int(values.max())))
    return labels


def _clipped(region: Region, volume: Volume) -> Region:
    z, y, x = (
        slice(max(0, s.start), min(n, s.stop)) for s, n in zip(region, volume.shape, strict=True)
    )
    return z, y, x


def _bounds(region: Region) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    z, y, x = ((s.start, s.stop) for s in region)
    return z, y, x
