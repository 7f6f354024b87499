"""Readers and writers: any file to a Volume and back."""

from napari_densify.io._readers import SUFFIXES, can_open, find_labels, pair_in
from napari_densify.io._source import DatasetInfo
from napari_densify.io._units import to_nm
from napari_densify.io.drawings import Drawing, drawing_source
from napari_densify.io.import_table import Wish, parse_wishes, read_wishes
from napari_densify.io.imports import (
    ImportItem,
    ImportPlan,
    ImportRow,
    ImportSource,
    apply_import,
    plan_import,
    read_import,
    scan_labels,
)
from napari_densify.io.ome_labels import write_ome_labels
from napari_densify.io.opening import (
    Description,
    describe,
    list_datasets,
    open_image,
    open_labels,
)
from napari_densify.io.sinks import (
    OUTPUT_SUFFIXES,
    Sink,
    ZarrPart,
    create_sink,
    write_labels,
    write_volume,
)

__all__ = [
    "OUTPUT_SUFFIXES",
    "SUFFIXES",
    "DatasetInfo",
    "Description",
    "Drawing",
    "ImportItem",
    "ImportPlan",
    "ImportRow",
    "ImportSource",
    "Sink",
    "Wish",
    "ZarrPart",
    "apply_import",
    "can_open",
    "create_sink",
    "describe",
    "drawing_source",
    "find_labels",
    "list_datasets",
    "open_image",
    "open_labels",
    "pair_in",
    "parse_wishes",
    "plan_import",
    "read_import",
    "read_wishes",
    "scan_labels",
    "to_nm",
    "write_labels",
    "write_ome_labels",
    "write_volume",
]
