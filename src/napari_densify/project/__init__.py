"""The project folder: image, classes, strokes, rounds, predictions and history."""

from napari_densify.core.fingerprint import checksum
from napari_densify.project.document import ImageReference, ProjectDocument
from napari_densify.project.image import ImageElsewhere, same_image
from napari_densify.project.importing import import_edits, merge_classes, require_import_shape
from napari_densify.project.project import Project
from napari_densify.project.rounds import Round

__all__ = [
    "ImageElsewhere",
    "ImageReference",
    "Project",
    "ProjectDocument",
    "Round",
    "checksum",
    "import_edits",
    "merge_classes",
    "require_import_shape",
    "same_image",
]
