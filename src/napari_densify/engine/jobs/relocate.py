"""``relocate``: a project whose image was moved is told where it is."""

from __future__ import annotations

from collections.abc import Iterator

from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Event
from napari_densify.core.requests import RelocateRequest

__all__ = ["run"]


def run(request: RelocateRequest, control: JobControl) -> Iterator[Event]:
    """Refer to an image at another place; its voxels must be those painted on."""
    from napari_densify.project import Project

    with Project.open(request.project) as project:
        if project.read_only:
            raise InputError(project.notice, where=request.project, mend="close the viewer first")
        project.relocate_image(request.image, anyway=request.anyway)
        yield Done(result={"project": str(project.path), "image": project.document.image.address})
