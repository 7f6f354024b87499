"""Which device and which arithmetic: asked for by name, or found out."""

from __future__ import annotations

import torch

from napari_densify.core.errors import InputError

__all__ = [
    "autocast_dtype",
    "available_devices",
    "compute_budget",
    "describe_device",
    "needs_rehearsal",
    "select_device",
]

# A laptop's share on the CPU, whatever the machine has: memory stays flat.
_CPU_BYTES = 4_200_000_000
_GPU_SHARE = 0.4


def available_devices() -> list[str]:
    """Names of the devices that torch can use here, best first."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def select_device(name: str = "auto") -> torch.device:
    """Turn a user's word into a device.

    Parameters
    ----------
    name
        ``auto`` (best there is), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    InputError
        If there is no such device here.
    """
    found = available_devices()
    wanted = found[0] if name == "auto" else name
    if wanted == "cuda" and "cuda:0" in found:
        wanted = "cuda:0"
    if wanted not in found:
        raise InputError(
            f"device {name!r} is not available",
            where="--device",
            mend=f"use auto or one of: {', '.join(found)}",
        )
    return torch.device(wanted)


def describe_device(device: torch.device) -> str:
    """Name of a device as people know it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu ({threads} thread{'s' if threads > 1 else ''})"
    return str(device)


def compute_budget(device: torch.device) -> int:
    """Bytes that one forward pass may take: a share of the device's memory, never all of it.

    It doesn't depend on what happens to be free, so that a run that is gone on with
    computes the same tiles.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * _GPU_SHARE)
    return _CPU_BYTES


def autocast_dtype(
    device: torch.device, precision: str = "auto", *, training: bool = False
) -> torch.dtype | None:
    """Dtype of mixed precision, or None for float32 throughout.

    ``auto`` takes bfloat16 where the hardware computes with it: GPUs from Ampere on,
    and CPUs with AVX512-BF16 or AMX. To train on the latter it must have been
    rehearsed first, see ``training.rehearsal``. It never takes float16, whose range
    trained networks may leave.
    """
    if precision == "float32":
        return None
    if precision == "bf16":
        return torch.bfloat16
    if precision == "fp16":
        return torch.float16
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else None
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return None if training and needs_rehearsal(device) else torch.bfloat16
    return None


def needs_rehearsal(device: torch.device) -> bool:
    """Whether gradients in low precision are known to crash here for some shapes: AMX."""
    return device.type == "cpu" and bool(torch.cpu._is_amx_tile_supported())
