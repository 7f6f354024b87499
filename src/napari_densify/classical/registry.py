"""Every classical method by name; its module is imported when it is first used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError
from napari_densify.core.overrides import as_lists, validated

__all__ = ["METHODS", "Method", "get_method", "resolve_parameters"]


@dataclass(frozen=True)
class Method:
    """A classical method.

    Its module holds either ``fit(task, parameters) -> rule``, where the rule labels any
    region of the volume by itself, or ``solve(task, parameters)``, which needs the volume
    in memory and returns labels or yields ever better ones.

    Attributes
    ----------
    name, title, family, summary
        For tables and menus.
    module
        Module in this package that holds the function.
    model
        Name of the parameter model in that module.
    needs_paint
        Refuses to run without annotations.
    blockwise
        Works in blocks with the same result as on the whole; others need the volume
        in memory.
    planar
        Works slice by slice, and looks at whole slices.
    iterative
        Yields intermediate results.
    objects
        Its regions can be told apart as objects; its module holds ``divide`` as well.
    bytes_per_voxel
        Memory that it takes at its peak, where it isn't blockwise.
    seconds_per_mvoxel
        Roughly how long a million voxels take on one core: plans searches and progress.
    sketch
        Parameters and their greatest values in the coarse preview that comes first.
    """

    name: str
    title: str
    family: str
    summary: str
    module: str
    model: str
    needs_paint: bool = False
    blockwise: bool = True
    planar: bool = False
    iterative: bool = False
    objects: bool = False
    bytes_per_voxel: int = 40
    seconds_per_mvoxel: float = 1.0
    sketch: tuple[tuple[str, int], ...] = ()

    @property
    def settings(self) -> type[Settings]:
        """Model of its parameters: titles, units, bounds, defaults."""
        model: type[Settings] = getattr(self._load(), self.model)
        return model

    @property
    def search(self) -> tuple[Mapping[str, Sequence[Any]], ...]:
        """Values of the parameters that are worth trying when it is tuned.

        More than one mapping where some parameters matter only with others.
        """
        spaces = self._load().SEARCH
        return (spaces,) if isinstance(spaces, Mapping) else tuple(spaces)

    @property
    def function(self) -> Any:
        """``fit`` of a blockwise method, ``solve`` of any other."""
        return getattr(self._load(), "fit" if self.blockwise else "solve")

    @property
    def divide(self) -> Any:
        """``divide`` of a method with objects: numbers of regions, and the class of each."""
        return self._load().divide

    def _load(self) -> Any:
        return import_module(f"napari_densify.classical.{self.module}")


_ALL = (
    Method(
        name="threshold",
        title="Threshold",
        family="threshold",
        summary="One or more intensities part the classes",
        module="threshold",
        model="ThresholdParameters",
        seconds_per_mvoxel=0.1,
    ),
    Method(
        name="local_threshold",
        title="Local threshold",
        family="threshold",
        summary="Each voxel against its surroundings",
        module="local_threshold",
        model="LocalThresholdParameters",
        seconds_per_mvoxel=0.5,
    ),
    Method(
        name="hysteresis",
        title="Hysteresis threshold",
        family="threshold",
        summary="Weak voxels count where they touch strong ones",
        module="hysteresis",
        model="HysteresisParameters",
        blockwise=False,
        seconds_per_mvoxel=0.3,
    ),
    Method(
        name="watershed",
        title="Watershed",
        family="watershed",
        summary="Floods from paint, or from minima, up to the edges",
        module="watershed",
        model="WatershedParameters",
        blockwise=False,
        objects=True,
        seconds_per_mvoxel=1.5,
    ),
    Method(
        name="flood",
        title="Flood",
        family="region growing",
        summary="Similar intensities that are connected with paint",
        module="flood",
        model="FloodParameters",
        needs_paint=True,
        blockwise=False,
        seconds_per_mvoxel=1.0,
    ),
    Method(
        name="confidence_connected",
        title="Confidence connected",
        family="region growing",
        summary="Regions whose mean and deviation are measured as they grow",
        module="confidence",
        model="ConfidenceParameters",
        needs_paint=True,
        blockwise=False,
        iterative=True,
        seconds_per_mvoxel=4.0,
    ),
    Method(
        name="random_walker",
        title="Random walker",
        family="region growing",
        summary="The class whose paint a walker is likeliest to reach first",
        module="random_walker",
        model="RandomWalkerParameters",
        needs_paint=True,
        blockwise=False,
        iterative=True,
        seconds_per_mvoxel=30.0,
    ),
    Method(
        name="geodesic",
        title="Geodesic distance",
        family="region growing",
        summary="The paint that is nearest along paths that avoid edges",
        module="geodesic",
        model="GeodesicParameters",
        needs_paint=True,
        blockwise=False,
        iterative=True,
        seconds_per_mvoxel=6.0,
    ),
    Method(
        name="kmeans",
        title="k-means",
        family="clustering",
        summary="Clusters of intensity or texture, named by paint",
        module="kmeans",
        model="KMeansParameters",
        seconds_per_mvoxel=1.5,
    ),
    Method(
        name="gaussian_mixture",
        title="Gaussian mixture",
        family="clustering",
        summary="Overlapping clusters, named by paint",
        module="gaussian_mixture",
        model="GaussianMixtureParameters",
        seconds_per_mvoxel=3.0,
    ),
    Method(
        name="superpixels",
        title="Superpixels (SLIC)",
        family="clustering",
        summary="Small even regions, named by paint",
        module="superpixels",
        model="SuperpixelParameters",
        blockwise=False,
        objects=True,
        seconds_per_mvoxel=4.0,
    ),
    Method(
        name="edges",
        title="Edges",
        family="edges",
        summary="Canny, Sobel or Laplacian edges, closed into regions",
        module="edges",
        model="EdgeParameters",
        planar=True,
        seconds_per_mvoxel=1.0,
    ),
    Method(
        name="ridges",
        title="Ridges",
        family="edges",
        summary="Lines and membranes by Sato, Frangi or Meijering",
        module="ridges",
        model="RidgeParameters",
        planar=True,
        seconds_per_mvoxel=4.0,
    ),
    Method(
        name="chan_vese",
        title="Chan-Vese contours",
        family="active contours",
        summary="Outlines that part two mean intensities",
        module="chan_vese",
        model="ChanVeseParameters",
        needs_paint=True,
        planar=True,
        seconds_per_mvoxel=10.0,
    ),
    Method(
        name="geodesic_contour",
        title="Geodesic contours",
        family="active contours",
        summary="Outlines that settle on edges",
        module="geodesic_contour",
        model="GeodesicContourParameters",
        needs_paint=True,
        planar=True,
        seconds_per_mvoxel=10.0,
    ),
    Method(
        name="snakes",
        title="Snakes",
        family="active contours",
        summary="Elastic outlines pulled to edges",
        module="snakes",
        model="SnakeParameters",
        needs_paint=True,
        planar=True,
        seconds_per_mvoxel=10.0,
        sketch=(("iterations", 5),),
    ),
    Method(
        name="random_forest",
        title="Random forest",
        family="learned",
        summary="Trees on multiscale features, as in ilastik",
        module="forest",
        model="ForestParameters",
        needs_paint=True,
        seconds_per_mvoxel=20.0,
        sketch=(("trees", 15), ("samples", 6_000)),
    ),
    Method(
        name="interpolation",
        title="Interpolation",
        family="floor",
        summary="Shapes between painted slices; uses no image at all",
        module="interpolation",
        model="InterpolationParameters",
        needs_paint=True,
        seconds_per_mvoxel=0.2,
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({m.name: m for m in _ALL})
"""All methods, by name, in the order of tables."""

# Names of algorithms that users ask for by themselves.
_ALIASES: Mapping[str, tuple[str, dict[str, Any]]] = {
    **{
        name: ("threshold", {"algorithm": name})
        for name in ("otsu", "multi-otsu", "li", "yen", "triangle", "isodata", "minimum", "mean")
    },
    **{name: ("local_threshold", {"algorithm": name}) for name in ("sauvola", "niblack")},
    **{name: ("edges", {"operator": name}) for name in ("canny", "sobel", "scharr", "log")},
    **{name: ("ridges", {"filter": name}) for name in ("sato", "frangi", "meijering")},
    "boosting": ("random_forest", {"classifier": "boosting"}),
    "slic": ("superpixels", {}),
}


def get_method(name: str) -> tuple[Method, dict[str, Any]]:
    """Find a method by its name, or by that of one of its algorithms.

    Returns
    -------
    The method, and the parameters that the name stands for.

    Raises
    ------
    InputError
        If there is none; lists those there are.

    Examples
    --------
    >>> method, preset = get_method("otsu")
    >>> method.name, preset
    ('threshold', {'algorithm': 'otsu'})
    """
    wanted = name.strip().lower()
    preset: dict[str, Any] = {}
    for alias, (target, values) in _ALIASES.items():
        if wanted.replace("_", "-") == alias:
            wanted, preset = target, dict(values)
    method = METHODS.get(wanted.replace("-", "_"))
    if method is None:
        raise InputError(
            f"there is no classical method {name!r}",
            where="method",
            mend=f"one of: {', '.join(METHODS)}",
        )
    return method, preset


def resolve_parameters(
    method: Method, preset: Mapping[str, Any], parameters: Settings | Mapping[str, Any] | None
) -> Settings:
    """Build a method's parameters from what was given; what was not keeps its default.

    Raises
    ------
    InputError
        For an unknown name or a value out of bounds, naming the method.
    """
    if isinstance(parameters, method.settings):
        return parameters
    given = parameters.model_dump() if isinstance(parameters, Settings) else dict(parameters or {})
    values = {**preset, **given}
    names = method.settings.model_fields
    for name in values:
        if name not in names:
            raise InputError(
                f"unknown parameter {name!r}",
                where=method.name,
                mend=f"one of: {', '.join(names)}" if names else "it has none",
            )
    return validated(method.settings, as_lists(method.settings, values), where=method.name)
