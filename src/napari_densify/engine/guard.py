"""A job that never raises: whatever happens, it ends with one ``Done`` or ``Failed``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.errors import Interrupted
from napari_densify.core.events import Done, Event, Failed, Started
from napari_densify.engine.failures import failure
from napari_densify.engine.jobs import run_job

__all__ = ["guarded"]


def guarded(
    request: ask.JobRequest,
    control: JobControl,
    *,
    run: Callable[[ask.JobRequest, JobControl], Iterator[Event]] = run_job,
) -> Iterator[Event]:
    """Run a job so that it never raises: it ends with one ``Done`` or one ``Failed``.

    Every event carries the job's identifier, whatever the job put there.
    """
    yield Started(job=request.job, name=request.kind)
    try:
        for event in run(request, control):
            yield event.model_copy(update={"job": request.job})
            if isinstance(event, Done | Failed):
                return
        yield Done(job=request.job, stopped=control.stop)
    except Interrupted:
        yield Done(job=request.job, stopped=True)
    except Exception as error:
        yield failure(error, job=request.job)
