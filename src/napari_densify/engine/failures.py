"""Whose fault an error is, said once for jobs of one volume and of many."""

from __future__ import annotations

import errno
import traceback

from napari_densify.core.errors import InputError
from napari_densify.core.events import Failed

__all__ = ["failure"]

# Errors of the system that the user can mend: no room, no permission, no such file.
_USERS_ERRNO = {
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT,
    errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG,
}  # fmt: skip


def failure(error: Exception, *, job: str = "") -> Failed:
    """Say an error in one line, and whether it is ours or the user can mend it.

    Parameters
    ----------
    error
        What was raised.
    job
        That ended with it.
    """
    match error:
        case InputError():
            return Failed(job=job, message=str(error), fault=False)
        case OSError() if error.errno in _USERS_ERRNO:
            where = f"{error.filename}: " if error.filename else ""
            return Failed(job=job, message=f"{where}{error.strerror}", fault=False)
        case MemoryError():
            return Failed(job=job, message=_out_of_memory(error), fault=False)
    return _our_failure(error, job)


def _out_of_memory(error: MemoryError) -> str:
    detail = f" ({error})" if str(error) else ""
    return f"not enough memory{detail}; take a smaller region, block or a coarser pyramid level"


def _device_is_lost(error: Exception) -> bool:
    """Whether the driver gave up: nothing more can be computed in this process."""
    if not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in text or "cuDNN" in text


def _our_failure(error: Exception, job: str) -> Failed:
    text = "".join(traceback.format_exception(error))
    last = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {last[0]}" if last else type(error).__name__
    lost = _device_is_lost(error)
    return Failed(job=job, message=message, fault=True, again=lost, traceback=text)
