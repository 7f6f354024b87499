"""One file per job; each is a generator of events.

A job module imports what is heavy inside its function, so that an engine that only
previews classical methods never loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event
from napari_densify.engine.jobs import (
    augment,
    classical,
    compare,
    demo,
    doctor,
    evaluate,
    export,
    import_labels,
    info,
    instances,
    predict,
    relocate,
    replay,
    sketch,
    suggest,
    train,
)
from napari_densify.engine.record import recorded

__all__ = ["run_job"]

_JOBS: dict[type[ask._Job], Callable[[Any, JobControl], Iterator[Event]]] = {
    ask.AugmentRequest: augment.run,
    ask.ClassicalRequest: classical.run,
    ask.CompareRequest: compare.run,
    ask.DemoRequest: demo.run,
    ask.MethodsRequest: classical.list_methods,
    ask.DoctorRequest: doctor.run,
    ask.EvaluateRequest: evaluate.run,
    ask.ExportRequest: export.run,
    ask.ImportRequest: import_labels.run,
    ask.InfoRequest: info.run,
    ask.InstancesRequest: instances.run,
    ask.PredictRequest: predict.run,
    ask.RelocateRequest: relocate.run,
    ask.ReplayRequest: replay.run,
    ask.SketchRequest: sketch.run,
    ask.SuggestRequest: suggest.run,
    ask.TrainRequest: train.run,
}


def run_job(request: ask.JobRequest, control: JobControl) -> Iterator[Event]:
    """Do what a request asks; the events end with ``Done``.

    Parameters
    ----------
    request
        What is to be done.
    control
        Mailbox of the job, filled by the caller between two events.

    Raises
    ------
    InputError
        If the input cannot be used.
    """
    yield from recorded(request, _JOBS[type(request)](request, control))
