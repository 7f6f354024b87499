"""OME-NGFF metadata, read from 0.1 to 0.5, written as 0.5.

The specification is https://ngff.openmicroscopy.org/0.5/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable, LabelClass
from napari_densify.io._sink_facts import SinkFacts
from napari_densify.io._units import StatedSpacing, to_nm

__all__ = ["Multiscale", "image_label", "multiscales", "read_classes", "read_multiscale"]


@dataclass(frozen=True)
class Multiscale:
    """What the metadata of a multiscale image say.

    Attributes
    ----------
    version
        Of the specification.
    axes
        One letter an axis; empty if not stated.
    units
        Unit of each axis, None where it has none.
    paths
        Arrays of the pyramid, finest first.
    scales
        Voxel size for each level and axis, in ``units``.
    """

    version: str
    axes: str
    units: tuple[str | None, ...]
    paths: tuple[str, ...]
    scales: tuple[tuple[float, ...], ...]
    channel_names: tuple[str, ...] = ()

    @property
    def unit_known(self) -> bool:
        """Whether Y and X have a unit."""
        known = dict(zip(self.axes, self.units, strict=True))
        return all(to_nm(1, known.get(a)) is not None for a in "YX")

    def spacing(self, level: int) -> StatedSpacing:
        """Voxel size (Z, Y, X) of a level in nm, as far as it is stated."""
        rows = zip(self.axes, self.scales[level], self.units, strict=True)
        sizes = {axis: to_nm(size, unit) for axis, size, unit in rows}
        return sizes.get("Z"), sizes.get("Y"), sizes.get("X")


def read_multiscale(attributes: Mapping[str, Any]) -> Multiscale | None:
    """Parse the attributes of a group; None if it is no multiscale image.

    Raises
    ------
    InputError
        If there is a multiscale entry that makes no sense.
    """
    ome = attributes.get("ome", attributes)
    entries = ome.get("multiscales") if hasattr(ome, "get") else None
    if not entries:
        return None
    try:
        entry = entries[0]
        axes, units = _axes(entry.get("axes"))
        datasets = entry["datasets"]
        paths = tuple(_inside(str(d["path"])) for d in datasets)
        common = _scale(entry, len(axes))
        scales = tuple(
            tuple(a * b for a, b in zip(_scale(d, len(axes)), common, strict=True))
            for d in datasets
        )
        version = str(ome.get("version") or entry.get("version") or "0.1")
        if not paths:
            raise ValueError("no levels")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError("its OME-Zarr metadata make no sense", mend="export it again") from error
    return Multiscale(version, axes, units, paths, scales, _channel_names(ome))


def _inside(path: str) -> str:
    """Refuse paths that would lead out of the image."""
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"path {path!r} leaves the image")
    return path


def _axes(stated: Any) -> tuple[str, tuple[str | None, ...]]:
    if not stated:
        return "", ()
    rows = [{"name": a} if isinstance(a, str) else dict(a) for a in stated]
    letters = "".join(
        str(row["name"])[:1].upper() if row.get("type") != "channel" else "C" for row in rows
    )
    return letters, tuple(row.get("unit") for row in rows)


def _scale(entry: Mapping[str, Any], n: int) -> tuple[float, ...]:
    for transformation in entry.get("coordinateTransformations", ()):
        if transformation.get("type") == "scale":
            scale = tuple(float(s) for s in transformation["scale"])
            if len(scale) != n:
                raise ValueError("scale has another number of axes")
            return scale
    return (1.0,) * n


def _channel_names(ome: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return tuple(str(c["label"]) for c in ome["omero"]["channels"])
    except (KeyError, TypeError):
        return ()


def read_classes(attributes: Mapping[str, Any]) -> ClassTable | None:
    """Class table of a label image: ours if it is there, else from OME's label colours."""
    try:
        own = attributes.get("densify") or {}
        if own.get("classes"):
            return ClassTable.model_validate({"classes": own["classes"]})
        label = attributes.get("ome", attributes)["image-label"]
        names = {p["label-value"]: p.get("name") for p in label.get("properties", ())}
        rows = {int(c["label-value"]): c["rgba"] for c in label["colors"]}
        return ClassTable(
            classes=tuple(
                LabelClass(
                    value=value,
                    name=str(names.get(value) or f"class {value}"),
                    color="#" + bytes(rows[value][:3]).hex(),
                )
                for value in sorted(rows)
                if value > 0
            )
        )
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError):
        return None


def image_label(classes: ClassTable) -> dict[str, Any]:
    """Colours and names of a label image (``image-label``)."""
    return {
        "colors": [
            {"label-value": c.value, "rgba": [*bytes.fromhex(c.color[1:]), 255]}
            for c in classes.classes
        ],
        "properties": [{"label-value": c.value, "name": c.name} for c in classes.classes],
        "source": {"image": "../../"},
    }


def multiscales(
    name: str, facts: SinkFacts, factors: Sequence[tuple[int, int, int]] = ((1, 1, 1),)
) -> dict[str, Any]:
    """Metadata of an image with arrays ``0``, ``1``, ..., coarser by ``factors`` (Z, Y, X)."""
    channel = [{"name": "c", "type": "channel"}] if len(facts.shape) == 4 else []
    unit = {"unit": "nanometer"} if facts.spacing_known else {}
    axes = channel + [{"name": a, "type": "space", **unit} for a in "zyx"]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {
                    "type": "scale",
                    "scale": [1.0] * len(channel)
                    + [s * f for s, f in zip(facts.spacing, factor, strict=True)],
                }
            ],
        }
        for level, factor in enumerate(factors)
    ]
    return {
        "version": "0.5",
        "multiscales": [{"name": name, "axes": axes, "datasets": datasets}],
    }
