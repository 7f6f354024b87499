"""Pictures: what each method makes of a slice, and where it errs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from napari_densify.core.labels import UNLABELLED, ClassTable

__all__ = ["ERROR_COLORS", "Tile", "draw_errors", "draw_image", "draw_labels", "grid", "png_bytes"]

Plane = npt.NDArray[Any]
Picture = npt.NDArray[np.uint8]

ERROR_COLORS = {"false positive": "#ee7733", "false negative": "#33bbee", "wrong class": "#cc3311"}
"""Colours that colour-blind readers tell apart."""

_ALPHA = 0.5
_INK, _QUIET, _PAPER = (30, 33, 38), (110, 116, 125), (255, 255, 255)
_MARGIN, _CAPTION = 12, 46


@dataclass(frozen=True)
class Tile:
    """Pictures of one method, one below the other, with a name and a note."""

    name: str
    note: str
    pictures: tuple[Picture, ...]


def draw_image(plane: Plane) -> Picture:
    """Grey picture ``(Y, X, 3)`` of a slice, stretched between its 0.5 and 99.5 percentiles."""
    finite = np.nan_to_num(plane.astype(np.float32))
    low, high = np.percentile(finite, [0.5, 99.5])
    grey = np.clip((finite - low) / max(float(high - low), 1e-6), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def draw_labels(picture: Picture, labels: Plane, classes: ClassTable) -> Picture:
    """Lay class colours over a picture; background and what is not labelled stay clear."""
    out = picture.astype(np.float32)
    for row in classes.classes:
        if not row.background:
            where = labels == row.value
            out[where] = (1 - _ALPHA) * out[where] + _ALPHA * np.asarray(_rgb(row.color))
    return out.astype(np.uint8)


def draw_errors(picture: Picture, labels: Plane, truth: Plane, classes: ClassTable) -> Picture:
    """Mark what is wrong on a faded picture; voxels that are not scored are dimmed.

    With two classes false positives and false negatives of the foreground are told
    apart; foreground is the class that isn't background, or the rarer one.
    """
    out = 128 + 0.4 * (picture.astype(np.float32) - 128)
    scored = truth != UNLABELLED
    out[~scored] *= 0.55
    wrong = scored & (labels != truth)
    if len(classes) == 2:
        front = _foreground(truth, classes)
        out[wrong & (labels == front)] = _rgb(ERROR_COLORS["false positive"])
        out[wrong & (truth == front)] = _rgb(ERROR_COLORS["false negative"])
    else:
        out[wrong] = _rgb(ERROR_COLORS["wrong class"])
    return out.astype(np.uint8)


def _foreground(truth: Plane, classes: ClassTable) -> int:
    others = [v for v in classes.values if v != classes.background]
    return min(others, key=lambda v: np.count_nonzero(truth == v)) if others else classes.values[0]


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def fit_size(picture: Picture, width: int) -> Picture:
    """Scale a picture to a width: whole multiples upwards, averaged downwards."""
    height, now = picture.shape[:2]
    if now < width:
        times = max(1, round(width / now))
        return picture.repeat(times, 0).repeat(times, 1)
    scaled = Image.fromarray(picture).resize(
        (width, max(1, round(height * width / now))), Image.Resampling.BOX
    )
    return np.asarray(scaled)


def png_bytes(picture: Picture, width: int | None = None) -> bytes:
    """Encode a picture as PNG."""
    stream = io.BytesIO()
    Image.fromarray(fit_size(picture, width) if width else picture).save(stream, "PNG")
    return stream.getvalue()


def grid(tiles: Sequence[Tile], *, title: str, legend: Sequence[tuple[str, str]]) -> Picture:
    """Lay tiles out side by side with their names.

    Parameters
    ----------
    tiles
        All with the same number of pictures of the same shape.
    title
        Line at the top.
    legend
        Colours and what they mean.
    """
    sizes = [[fit_size(p, 300) for p in tile.pictures] for tile in tiles]
    width = max(p.shape[1] for row in sizes for p in row)
    height = sum(p.shape[0] for p in sizes[0]) + 4 * (len(sizes[0]) - 1)
    columns = _columns(len(tiles), width, height + _CAPTION)
    rows = -(-len(tiles) // columns)
    head = 74
    canvas = Image.new(
        "RGB",
        (
            columns * (width + _MARGIN) + _MARGIN,
            head + rows * (height + _CAPTION + _MARGIN) + _MARGIN,
        ),
        _PAPER,
    )
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, 12), title, font=_font(20), fill=_INK)
    _draw_legend(draw, legend)
    for i, (tile, pictures) in enumerate(zip(tiles, sizes, strict=True)):
        left = _MARGIN + (i % columns) * (width + _MARGIN)
        top = head + (i // columns) * (height + _CAPTION + _MARGIN)
        draw.text((left, top), tile.name, font=_font(16), fill=_INK)
        draw.text((left, top + 21), tile.note, font=_font(13), fill=_QUIET)
        top += _CAPTION
        for picture in pictures:
            canvas.paste(Image.fromarray(picture), (left, top))
            top += picture.shape[0] + 4
    return np.asarray(canvas)


def _columns(count: int, width: int, height: int) -> int:
    """Columns that make the sheet about as wide as 16 to 10."""
    return int(np.clip(round(np.sqrt(1.6 * count * height / width)), 1, count))


def _draw_legend(draw: ImageDraw.ImageDraw, legend: Sequence[tuple[str, str]]) -> None:
    left = _MARGIN
    for color, text in legend:
        draw.rectangle((left, 46, left + 13, 59), fill=_rgb(color))
        draw.text((left + 19, 44), text, font=_font(13), fill=_QUIET)
        left += 19 + int(draw.textlength(text, font=_font(13))) + 18


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
