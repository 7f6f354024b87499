"""What ``densify doctor`` looks at: each check says what it found and how to mend it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from napari_densify.core.sizes import say_bytes

__all__ = [
    "Check",
    "check_convolution",
    "check_cudnn",
    "check_machine",
    "check_optional",
    "check_packages",
    "explain_choice",
    "known_fault",
]

_OPTIONAL = {
    "h5py": ("hdf5", "HDF5 files"),
    "mrcfile": ("mrc", "MRC files"),
    "nibabel": ("nifti", "NIfTI files"),
    "nrrd": ("nrrd", "NRRD files"),
    "fsspec": ("remote", "volumes on a server"),
    "distributed": ("cluster", "predict --cluster"),
    "dask_jobqueue": ("cluster", "predict --cluster slurm"),
    "bioimageio.spec": ("bioimageio", "checks of exported packages"),
}
_SELF_TEST_TIMEOUT_S = 90.0


class Check(BaseModel):
    """One finding.

    Attributes
    ----------
    name
        What was looked at.
    status
        ``ok``; ``note`` (nothing is wrong, something could be added); ``bad``.
    found
        What was found.
    fix
        How to put it right; empty if there is nothing to put right.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    status: Literal["ok", "note", "bad"] = "ok"
    found: str
    fix: str = ""


def check_machine() -> list[Check]:
    """Python, system, processors and memory."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    found = [Check(name="python", found=f"{platform.python_version()} on {system}")]
    found.append(Check(name="processors", found=str(os.cpu_count())))
    memory = physical_memory()
    if memory:
        found.append(Check(name="memory", found=say_bytes(memory)))
    return found


def physical_memory() -> int | None:
    """Bytes of main memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def check_packages() -> list[Check]:
    """Versions of what is needed; versions known to be bad are named with the remedy."""
    rows = [_package(name) for name in ("napari-densify", "torch", "napari", "zarr")]
    return [*rows, _qt()]


def _package(name: str) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(
            name=name, status="bad", found="not installed", fix=f"python -m pip install {name}"
        )
    fault = known_fault(name, found)
    if fault:
        return Check(name=name, status="bad", found=f"{found}: {fault[0]}", fix=fault[1])
    return Check(name=name, found=found)


def known_fault(name: str, found: str) -> tuple[str, str] | None:
    """Say what is wrong with a version, and the remedy; None if nothing is known."""
    if name == "torch" and found.startswith("2.9."):
        return (
            "3D convolution in half precision is many times slower and takes far more memory",
            'python -m pip install "torch!=2.9.*"',
        )
    return None


def _qt() -> Check:
    for binding in ("PyQt6", "PySide6", "PyQt5", "PySide2"):
        try:
            return Check(name="Qt", found=f"{binding} {version(binding)}")
        except PackageNotFoundError:
            continue
    return Check(
        name="Qt",
        status="note",
        found="no Qt binding: the command line works, the viewer does not",
        fix='python -m pip install "napari-densify[all]"',
    )


def check_optional() -> list[Check]:
    """Look for packages that add something but are not needed."""
    return [
        Check(
            name=module,
            status="note",
            found=f"not installed (for {purpose})",
            fix=f'python -m pip install "napari-densify[{extra}]"',
        )
        for module, (extra, purpose) in _OPTIONAL.items()
        if not _importable(module)
    ]


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def check_cudnn(found: int | None) -> Check | None:
    """Whether this cuDNN is one of those that compute bf16 convolutions wrongly.

    Parameters
    ----------
    found
        Version as torch tells it, for example 90800 for 9.8.0; None: no cuDNN.
    """
    if found is None:
        return None
    text = f"{found // 10000}.{found // 100 % 100}.{found % 100}"
    if 90800 <= found < 91100:
        return Check(
            name="cuDNN",
            status="bad",
            found=f"{text}: 9.8 to 9.10 give wrong 3D convolutions in bf16",
            fix='python -m pip install -U "nvidia-cudnn-cu12>=9.11", or set precision=float32',
        )
    return Check(name="cuDNN", found=text)


def check_convolution(
    device: str, *, command: list[str] | None = None, timeout_s: float = _SELF_TEST_TIMEOUT_S
) -> tuple[list[Check], list[dict[str, Any]]]:
    """Measure 3D convolutions in a child process, which may crash or hang.

    Parameters
    ----------
    device
        Name of the device, for example ``cuda:0``.
    command
        Program that prints the rows; replaced in tests.
    timeout_s
        Time after which it counts as hung.

    Returns
    -------
    checks, rows
        Findings, and the rows of :func:`napari_densify.inference.selftest.measure`.
    """
    program = command or [sys.executable, "-m", "napari_densify.inference.selftest", device]
    try:
        run = subprocess.run(program, capture_output=True, timeout=timeout_s, text=True)
        output, ending = run.stdout, _ending(run.returncode, run.stderr)
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else ""
        ending = f"did not finish within {timeout_s:g} s"
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    checks = [_convolution_row(device, row) for row in rows]
    if ending:
        last = f" after {rows[-1]['precision']} {rows[-1]['direction']}" if rows else ""
        checks.append(
            Check(
                name=f"conv3d on {device}",
                status="bad",
                found=f"self-test {ending}{last}",
                fix="train and predict with --set precision=float32, or update torch",
            )
        )
    return checks, rows


def explain_choice(devices: list[str], speeds: dict[str, list[dict[str, Any]]]) -> str:
    """Say which device and arithmetic predictions will use, and why.

    Parameters
    ----------
    devices
        What torch offers, best first.
    speeds
        Rows of the self-test by device.
    """
    from napari_densify.inference.device import autocast_dtype, select_device

    if not devices:
        return "nothing: torch does not load"
    device = devices[0]
    why = "no GPU was found" if device == "cpu" else "it is the fastest device that torch offers"
    low = autocast_dtype(select_device(device))
    name = "float32" if low is None else "bf16"
    flops = {
        row["precision"]: row["gflops"]
        for row in speeds.get(device, [])
        if row["direction"] == "forward"
    }
    if name == "float32":
        return f"{device} ({why}), predicting in float32: no bf16 in hardware"
    if name in flops and "float32" in flops:
        speed = f"{flops[name]:g} GFLOP/s in the self-test, float32 {flops['float32']:g}"
    else:
        speed = "the hardware computes with it"
    return f"{device} ({why}), predicting in {name}: {speed}"


def _ending(code: int, errors: str) -> str:
    if code == 0:
        return ""
    if code < 0:
        return f"crashed (signal {-code})"
    last = errors.strip().splitlines()
    return f"failed: {last[-1]}" if last else f"failed with exit code {code}"


def _convolution_row(device: str, row: dict[str, Any]) -> Check:
    name = f"conv3d {row['precision']} {row['direction']} on {device}"
    speed = f"{row['gflops']:g} GFLOP/s, deviation {row['error']:.1e}"
    if row["correct"]:
        return Check(name=name, found=speed)
    return Check(
        name=name,
        status="bad",
        found=f"{speed}: wrong results",
        fix="train and predict with --set precision=float32, or update torch",
    )
