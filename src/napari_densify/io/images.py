"""PNG, JPEG and other single images: one slice each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_densify.core.errors import InputError
from napari_densify.io._address import Address
from napari_densify.io._guard import guarded
from napari_densify.io._source import Reader, Source

__all__ = ["READER"]

_MODES: dict[str, tuple[type[np.generic], int]] = {
    "1": (np.uint8, 1), "L": (np.uint8, 1), "P": (np.uint8, 1), "I;16": (np.uint16, 1),
    "I": (np.int32, 1), "F": (np.float32, 1), "LA": (np.uint8, 2), "RGB": (np.uint8, 3),
    "RGBA": (np.uint8, 4),
}  # fmt: skip
_MOST_PIXELS = 2**31
_ALPHA = ("LA", "RGBA")


class _ImageFile:
    """One image, decoded when it is looked at and not kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _opened(path) as image:
            self.mode, (width, height) = image.mode, image.size
        if self.mode not in _MODES:
            raise InputError(f"colour mode {self.mode} cannot be used", mend="save it as grey")
        if width * height > _MOST_PIXELS:
            raise InputError(f"{width} x {height} pixels are too many for one image file")
        scalar, samples = _MODES[self.mode]
        self.dtype: np.dtype[Any] = np.dtype(scalar)
        self.samples = samples - (self.mode in _ALPHA)
        self.shape: tuple[int, ...] = (height, width) + (self.samples,) * (self.samples > 1)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        with _opened(self._path) as image:
            pixels = np.asarray(image)
        if self.mode in _ALPHA:
            pixels = pixels[..., : self.samples] if self.samples > 1 else pixels[..., 0]
        return pixels[key].astype(self.dtype)


def _opened(path: Path) -> Image.Image:
    """Open without Pillow's pixel limit, which refuses honest microscope images."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        return Image.open(path)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def open_image_file(address: Address, level: int) -> Source:
    """Open a PNG, JPEG, BMP or GIF as one slice."""
    with guarded(address.path, "cannot be read as image"):
        data = _ImageFile(address.file)
    notes = ("values are the numbers of a colour palette",) if data.mode == "P" else ()
    axes = "YXC" if data.samples > 1 else "YX"
    return Source(data=data, axes=axes, format="image", chunks=data.shape, notes=notes)


READER = Reader(
    name="image",
    suffixes=(".png", ".jpg", ".jpeg", ".bmp", ".gif"),
    open=open_image_file,
    magic=(b"\x89PNG", b"\xff\xd8\xff"),
)
