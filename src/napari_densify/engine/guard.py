"""A job that never raises: whatever happens, it ends with one ``Done`` or ``Failed``."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterator

from napari_densify.core import requests as ask
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError, Interrupted
from napari_densify.core.events import Done, Event, Failed, Started
from napari_densify.engine.jobs import run_job

__all__ = ["guarded"]

# Errors of the system that the user can mend: no room, no permission, no such file.
_USERS_ERRNO = {
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT,
    errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG,
}  # fmt: skip


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
    except InputError as error:
        yield Failed(job=request.job, message=str(error), fault=False)
    except OSError as error:
        yield _system_failure(request.job, error)
    except MemoryError as error:
        yield Failed(job=request.job, message=_out_of_memory(error), fault=False)
    except Exception as error:
        yield _our_failure(request.job, error)


def _system_failure(job: str, error: OSError) -> Failed:
    if error.errno not in _USERS_ERRNO:
        return _our_failure(job, error)
    where = f"{error.filename}: " if error.filename else ""
    return Failed(job=job, message=f"{where}{error.strerror}", fault=False)


def _out_of_memory(error: MemoryError) -> str:
    detail = f" ({error})" if str(error) else ""
    return f"not enough memory{detail}; take a smaller region, block or a coarser pyramid level"


def _device_is_lost(error: Exception) -> bool:
    """Whether the driver gave up: nothing more can be computed in this process."""
    if not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in text or "cuDNN" in text


def _our_failure(job: str, error: Exception) -> Failed:
    text = "".join(traceback.format_exception(error))
    last = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {last[0]}" if last else type(error).__name__
    lost = _device_is_lost(error)
    return Failed(job=job, message=message, fault=True, again=lost, traceback=text)
