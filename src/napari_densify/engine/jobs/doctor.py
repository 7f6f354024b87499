"""``doctor``: what device, which speed, what is missing, with the fix."""

from __future__ import annotations

from collections.abc import Iterator

from napari_densify.core.control import JobControl
from napari_densify.core.events import Done, Event, Progress
from napari_densify.core.requests import DoctorRequest
from napari_densify.engine import checks as look
from napari_densify.engine.checks import Check

__all__ = ["run"]


def run(request: DoctorRequest, control: JobControl) -> Iterator[Event]:
    """Look at packages and devices; measure 3D convolutions in a child process."""
    found = [*look.check_machine(), *look.check_packages(), *look.check_optional()]
    devices = _devices(found)
    speeds = {}
    for number, device in enumerate(devices):
        yield Progress(done=number, total=len(devices), message=f"measuring conv3d on {device}")
        if control.stop:
            break
        findings, speeds[device] = look.check_convolution(device)
        found += findings
    yield Done(
        result={
            "checks": [check.model_dump() for check in found],
            "devices": devices,
            "will_use": devices[0] if devices else "none",
            "why": look.explain_choice(devices, speeds),
            "conv3d": speeds,
            "healthy": all(check.status != "bad" for check in found),
        },
        stopped=control.stop,
    )


def _devices(found: list[Check]) -> list[str]:
    """Devices that torch offers, best first; what is wrong with torch goes into ``found``."""
    try:
        from napari_densify.inference.device import available_devices
        from napari_densify.inference.selftest import cudnn_version
    except Exception as error:
        fix = "python -m pip install --force-reinstall torch"
        found.append(Check(name="torch", status="bad", found=f"does not load: {error}", fix=fix))
        return []
    cudnn = look.check_cudnn(cudnn_version())
    if cudnn:
        found.append(cudnn)
    devices = available_devices()
    found.append(Check(name="devices", found=", ".join(devices)))
    return devices
