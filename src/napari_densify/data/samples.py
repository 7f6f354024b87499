"""The bundled volumes and where their files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import Spacing

__all__ = ["SampleFiles", "sample_files", "sample_names"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class SampleFiles:
    """Files of one bundled volume.

    Attributes
    ----------
    name
        Short name, as given to :func:`sample_files`.
    title
        Name for menus.
    image
        TIFF, ``(Z, Y, X)``, uint8, with its voxel size.
    annotations
        Sparse annotation of a few slices: 0 not annotated, 1..K classes.
    truth
        Dense classes, the same codes; 0 nowhere.
    instances
        One id per object, 0 where there is none; None if the volume has no objects.
    licence
        Licence text of the volume.
    spacing
        Voxel size (Z, Y, X) in nm, as in the files.
    classes
        Names of the codes in ``annotations`` and ``truth``.
    description
        One sentence: what it shows.
    attribution
        Whom to cite.
    """

    name: str
    title: str
    image: Path
    annotations: Path
    truth: Path
    instances: Path | None
    licence: Path
    spacing: Spacing
    classes: ClassTable
    description: str
    attribution: str


@dataclass(frozen=True)
class _Facts:
    title: str
    spacing: Spacing
    names: Mapping[int, str]
    background: int | None
    description: str
    attribution: str


_SAMPLES: Mapping[str, _Facts] = {
    "fibsem": _Facts(
        title="FIB-SEM of fly brain: cell boundaries",
        spacing=(10.0, 10.0, 10.0),
        names={1: "boundary", 2: "interior"},
        background=None,
        description=(
            "Neurites in the medulla of Drosophila, FIB-SEM, isotropic 10 nm voxels; "
            "boundaries between cells against their interior"
        ),
        attribution=(
            "Copyright 2012 HHMI; gala example data. "
            "Nunez-Iglesias et al., PLoS ONE 8, e71715 (2013), doi:10.1371/journal.pone.0071715"
        ),
    ),
    "nuclei": _Facts(
        title="Confocal plant nuclei",
        spacing=(283.718, 126.786, 126.786),
        names={1: "background", 2: "nucleus"},
        background=1,
        description=(
            "Nuclei in an Arabidopsis ovule, confocal microscopy, voxels of 284 x 127 x 127 nm; "
            "54 nuclei with an id each"
        ),
        attribution=(
            "Copyright 2024 Qin Yu and Anna Kreshuk, EMBL; GoNuclear. "
            "Vijayan et al., Development 151, dev202800 (2024), doi:10.1242/dev.202800"
        ),
    ),
}


def sample_names() -> tuple[str, ...]:
    """Names of the bundled volumes."""
    return tuple(_SAMPLES)


def sample_files(name: str) -> SampleFiles:
    """Return the files of a bundled volume.

    Raises
    ------
    InputError
        If no volume of that name is bundled.

    Examples
    --------
    >>> sample_files("fibsem").classes.name(1)
    'boundary'
    """
    facts = _SAMPLES.get(name)
    if facts is None:
        raise InputError(
            f"no bundled volume is called {name!r}", mend=f"one of: {', '.join(_SAMPLES)}"
        )
    folder = _FOLDER / name
    instances = folder / "instances.tif"
    return SampleFiles(
        name=name,
        title=facts.title,
        image=folder / "image.tif",
        annotations=folder / "annotations.tif",
        truth=folder / "truth.tif",
        instances=instances if instances.exists() else None,
        licence=folder / "LICENSE.txt",
        spacing=facts.spacing,
        classes=ClassTable.from_values(facts.names, names=facts.names, background=facts.background),
        description=facts.description,
        attribution=facts.attribution,
    )
