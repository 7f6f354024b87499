"""Image layers of a project: lazy, as a pyramid where the file has one."""

from __future__ import annotations

from typing import Any

from napari.layers import Image

from napari_densify.core.volume import Volume
from napari_densify.io import open_image
from napari_densify.plugin.arrays import pyramid_of
from napari_densify.plugin.layers import place_like
from napari_densify.plugin.slow import be_patient
from napari_densify.project import Project

__all__ = ["image_layers"]


def image_layers(project: Project) -> list[Image]:
    """Make a layer for each channel that the project works on.

    What is computed on is level ``project.document.image.level``; coarser ones are
    for the view from far away.
    """
    volume = project.image()
    reference = project.document.image
    channels = reference.use_channels or range(volume.channels)
    finer, levels = reference.level, len(volume.metadata.get("levels", ()))
    made = []
    for channel in channels:
        pyramid = [_channel(volume, i, channel) for i in range(finer, max(levels, finer + 1))]
        layer = Image(
            pyramid_of(pyramid),
            name=volume.name if len(channels) == 1 else f"{volume.name} channel {channel}",
            multiscale=len(pyramid) > 1,
            blending="additive",
            **place_like(None, volume.spacing),
            **be_patient(open_image(volume.source, level=finer, channels=[channel])),
        )
        layer.metadata["densify_source"] = volume.source
        made.append(layer)
    return made


def _channel(volume: Volume, level: int, channel: int) -> Any:
    """Open one channel of a level, as ``(Z, Y, X)``."""
    return open_image(volume.source, level=level, channels=[channel]).data
