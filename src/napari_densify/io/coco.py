"""COCO JSON: polygons and run lengths of each image to label masks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_densify.core.errors import InputError
from napari_densify.io._address import Address, natural_key
from napari_densify.io._guard import guarded
from napari_densify.io._import_source import ImportItem, ImportSource

__all__ = ["CocoMasks", "read_coco"]

_MOST_BYTES = 2**30


class CocoMasks:
    """Slices (one an image of the file, in natural order) drawn when they are asked for.

    Where polygons overlap the later one wins. Voxels in none are 0.
    """

    def __init__(self, slices: list[list[tuple[int, Any]]], height: int, width: int) -> None:
        self._slices = slices
        self.shape: tuple[int, ...] = (len(slices), height, width)
        self.dtype: np.dtype[Any] = np.dtype(np.uint16)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[np.uint16]:
        planes = [self._draw(z)[key[1:]] for z in range(self.shape[0])[key[0]]]
        return np.stack(planes)

    def _draw(self, z: int) -> npt.NDArray[np.uint16]:
        plane = np.zeros(self.shape[1:], np.uint16)
        for code, shape in self._slices[z]:
            plane[_mask(shape, plane.shape)] = code
        return plane


def _mask(shape: Any, size: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Voxels of one annotation: polygons, or uncompressed run lengths."""
    mask = np.zeros(size, bool)
    if isinstance(shape, dict):
        return _run_lengths(shape, size)
    from skimage.draw import polygon

    for flat in shape:
        points = np.asarray(flat, float).reshape(-1, 2)
        # COCO counts from the corner of the first pixel, polygon() from its centre.
        mask[polygon(points[:, 1] - 0.5, points[:, 0] - 0.5, size)] = True
    return mask


def _run_lengths(shape: dict[str, Any], size: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    counts = shape["counts"]
    if not isinstance(counts, list):
        raise InputError("holds compressed run lengths", mend="export polygons or uncompressed RLE")
    runs = np.asarray(counts, int)
    if list(shape["size"]) != list(size) or runs.min() < 0 or runs.sum() != np.prod(size):
        raise InputError("holds run lengths that do not fit their image")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask: npt.NDArray[np.bool_] = values.reshape(size, order="F")
    return mask


def read_coco(address: Address) -> ImportSource:
    """Read a COCO file: each image is a slice, each category a class.

    Raises
    ------
    InputError
        If it is no COCO file, or its images have different sizes.
    """
    if address.file.stat().st_size > _MOST_BYTES:
        raise InputError("is too large for a COCO file", where=address.path)
    with guarded(address.path, "cannot be read as COCO JSON"):
        content = json.loads(address.file.read_text("utf-8"))
        images = sorted(content["images"], key=lambda i: natural_key(str(i.get("file_name", ""))))
        sizes = {(int(i["height"]), int(i["width"])) for i in images}
        categories = sorted(content["categories"], key=lambda c: int(c["id"]))
        if not images or not categories:
            raise InputError("holds no images or no categories")
        if len(sizes) > 1:
            raise InputError(
                f"its images have different sizes: {sorted(sizes)}",
                mend="export one stack at a time",
            )
        codes = {c["id"]: number for number, c in enumerate(categories, start=1)}
        slices = {i["id"]: z for z, i in enumerate(images)}
        drawn: list[list[tuple[int, Any]]] = [[] for _ in images]
        for annotation in content.get("annotations", ()):
            code = codes[annotation["category_id"]]
            drawn[slices[annotation["image_id"]]].append((code, annotation["segmentation"]))
        masks = CocoMasks(drawn, *sizes.pop())
        counts = _counts(masks, len(categories))
    items = [ImportItem(0, "outside every polygon", "", "", counts[0])]
    for number, category in enumerate(categories, start=1):
        name = str(category.get("name", ""))
        items.append(ImportItem(number, name or f"category {number}", name, "", counts[number]))
    return ImportSource("COCO", address.path, masks, tuple(items))


def _counts(masks: CocoMasks, categories: int) -> list[int]:
    total = np.zeros(categories + 1, int)
    for z in range(masks.shape[0]):
        plane = masks[slice(z, z + 1), slice(None), slice(None)]
        total += np.bincount(plane.ravel(), minlength=categories + 1)
    return [int(n) for n in total]
