"""napari reader: any format of ``napari_densify.io`` as lazy layers with their voxel size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from napari_densify.core.errors import InputError
from napari_densify.core.volume import AXES, Volume
from napari_densify.io import can_open, open_image, open_labels, pair_in
from napari_densify.plugin.arrays import pyramid_of
from napari_densify.plugin.slow import be_patient

__all__ = ["get_reader", "layer_place"]

_LARGEST_PAINTED = 4096
"""napari cannot paint on a multiscale layer, and is slow to show a larger plane without."""

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return a reader if this looks like something that can be opened.

    Parameters
    ----------
    path
        A file, folder or URL. A list of files is napari's to stack.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if len(paths) == 1 and can_open(paths[0]) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open as layers: nothing is read yet, scale and units are the file's.

    A file that carries a class table is opened as Labels, any other as Image, one
    layer a channel.

    Raises
    ------
    InputError
        If it can't be opened: napari shows the line.
    """
    address = path if isinstance(path, str) else path[0]
    pair = pair_in(address)
    if pair is not None:
        return [*read_layers(pair.image), *_beside(pair.labels)]
    volume = open_image(address)
    if volume.metadata["classes"] is not None:
        return [_labels_layer(address, volume)]
    levels = range(max(1, len(volume.metadata["levels"])))
    if volume.channels == 1:
        return [_image_layer([open_image(address, level=i) for i in levels])]
    pyramids = (
        [open_image(address, level=i, channels=[c]) for i in levels] for c in range(volume.channels)
    )
    return [_image_layer(pyramid, channel=c) for c, pyramid in enumerate(pyramids)]


def _beside(address: str) -> list[LayerData]:
    """Labels of the image in the same folder, where they can be used as such."""
    try:
        return [_labels_layer(address, open_labels(address))]
    except InputError:
        return []


def layer_place(volume: Volume) -> dict[str, Any]:
    """Scale and units of a layer; pixels where the file states no voxel size."""
    unit = "nm" if volume.spacing_known else "pixel"
    return {"scale": volume.spacing, "units": (unit,) * 3, "axis_labels": AXES}


def _common(volume: Volume) -> dict[str, Any]:
    source = {"densify_source": volume.source, "densify_notes": list(volume.metadata["notes"])}
    return {"name": volume.name, "metadata": source, **layer_place(volume)}


def _image_layer(pyramid: list[Volume], channel: int | None = None) -> LayerData:
    volume = pyramid[0]
    options = {**_common(volume), **be_patient(volume)}
    if channel is not None:
        names = volume.metadata["channel_names"]
        label = names[channel] if channel < len(names) else f"channel {channel}"
        options["name"] = f"{volume.name} {label}"
        options["metadata"]["densify_channel"] = channel
        options["blending"] = "additive"
    if len(pyramid) > 1:
        options["multiscale"] = True
    return pyramid_of([level.data for level in pyramid]), options, "image"


def _labels_layer(address: str, volume: Volume) -> LayerData:
    """Labels that can be painted on, except where a plane is too large for that."""
    classes = volume.metadata["classes"]
    large = max(volume.shape[1:]) > _LARGEST_PAINTED
    levels = max(1, len(volume.metadata["levels"])) if large else 1
    pyramid = [open_labels(address, level=i).data for i in range(levels)]
    options = _common(volume)
    if classes is not None:
        options["metadata"]["densify_classes"] = classes.model_dump(mode="json")
        colors: dict[int | None, str] = {None: "transparent", 0: "transparent"}
        options["colormap"] = colors | {row.value: row.color for row in classes.classes}
    if levels > 1:
        options["multiscale"] = True
    return pyramid_of(pyramid), options, "labels"
