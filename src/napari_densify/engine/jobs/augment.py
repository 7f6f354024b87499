"""``augment``: a picture of patches as a training with these settings would see them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Event
from napari_densify.core.files import atomic_write_bytes
from napari_densify.core.requests import AugmentRequest, TrainRequest
from napari_densify.engine.jobs.train import common_classes, open_sources
from napari_densify.engine.outputs import require_writable

__all__ = ["run"]


def run(request: AugmentRequest, control: JobControl) -> Iterator[Event]:
    """Draw patches, augment them, and write both side by side, paint laid over."""
    from napari_densify.comparison.picture import Tile, draw_labels, grid, png_bytes
    from napari_densify.training import TrainingSource
    from napari_densify.training.augment_preview import augment_patches

    read = (*request.images, *request.annotations)
    target = require_writable(request.output, suffixes=(".png",), inputs=read)
    asked = TrainRequest(
        images=request.images,
        annotations=request.annotations,
        settings=request.settings,
        spacing=request.spacing,
    )
    sources = open_sources(asked)
    found = augment_patches(
        [TrainingSource(s.volume, s.annotations, name=s.address) for s in sources],
        request.settings,
        classes=common_classes(sources),
        count=request.count,
    )
    rows = zip(found.before, found.labels_before, found.after, found.labels_after, strict=True)
    tiles = [
        Tile(
            f"patch {number}",
            "as it is, and as it is trained on",
            tuple(
                draw_labels(_grey(image, before), labels, found.classes)
                for image, labels in ((before, painted), (after, carried))
            ),
        )
        for number, (before, painted, after, carried) in enumerate(rows, start=1)
    ]
    legend = [(c.color, c.name) for c in found.classes.classes if not c.background]
    picture = grid(tiles, title="Augmented patches", legend=legend)
    atomic_write_bytes(target, png_bytes(picture))
    yield Done(result={"output": str(target), "patches": len(tiles)})


def _grey(plane: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Grey picture on the scale of another: what became brighter looks brighter."""
    low, high = np.percentile(reference, [0.5, 99.5])
    scaled = np.clip((plane - low) / max(float(high - low), 1e-6), 0, 1) * 255
    return np.repeat(scaled.astype(np.uint8)[..., None], 3, axis=-1)
