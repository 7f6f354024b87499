"""Is 3D convolution right here, and how fast? Run in a child process: it may crash.

``python -m napari_densify.inference.selftest DEVICE`` prints one JSON object a line,
one for each arithmetic and direction, so that a crash tells how far it came.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from napari_densify.inference.device import select_device

__all__ = ["cudnn_version", "measure"]

# Two samples: of a single small one torch convolves ten times slower (see
# ``networks.operations``), which says nothing about the machine.
_SAMPLES, _CHANNELS, _PATCH = 2, 16, (8, 64, 64)
_SECONDS = 0.3
# Rounding to 8 bits of mantissa over 16*27 products, relative to the largest value.
_TOLERANCE = {"float32": 1e-3, "bf16": 0.03, "fp16": 0.01}
_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def cudnn_version() -> int | None:
    """Version of cuDNN, for example 90800 for 9.8.0; None without one."""
    if not torch.cuda.is_available():
        return None
    version: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return version


def measure(device: torch.device) -> Iterator[dict[str, Any]]:
    """Compare forward and backward 3D convolutions with float64, and time them.

    Yields
    ------
    Rows with ``precision``, ``direction`` (forward, backward), ``gflops`` (1e9
    floating point operations a second), ``error`` (largest deviation over the
    largest value) and ``correct``.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(_SAMPLES, _CHANNELS, *_PATCH, generator=generator)
    kernel = torch.randn(_CHANNELS, _CHANNELS, 3, 3, 3, generator=generator) / 20
    truth = _convolve(image.double(), kernel.double(), backward=True)
    names = ["float32", "bf16"] + (["fp16"] if device.type == "cuda" else [])
    for name in names:
        x = image.to(device, _DTYPES[name]).to(memory_format=torch.channels_last_3d)
        w = kernel.to(device, _DTYPES[name]).to(memory_format=torch.channels_last_3d)
        for direction in ("forward", "backward"):
            yield _row(x, w, truth, name, direction)


def _row(
    x: torch.Tensor, w: torch.Tensor, truth: list[torch.Tensor], name: str, direction: str
) -> dict[str, Any]:
    backward = direction == "backward"
    found = _convolve(x, w, backward=backward)
    wanted = truth[1:] if backward else truth[:1]
    results = found[1:] if backward else found
    error = max(_deviation(f, t) for f, t in zip(results, wanted, strict=True))
    # Forward, gradient of the input, gradient of the weights: as much work each.
    work = 2.0 * _CHANNELS**2 * 27 * x[:, 0].numel() * (3 if backward else 1)
    seconds = _time(lambda: _convolve(x, w, backward=backward), x.device)
    return {
        "precision": name,
        "direction": direction,
        "gflops": round(work / seconds / 1e9, 1),
        "error": error,
        "correct": error < _TOLERANCE[name],
    }


def _convolve(x: torch.Tensor, w: torch.Tensor, *, backward: bool) -> list[torch.Tensor]:
    """Output, and the two gradients of its weighted sum where asked for."""
    if not backward:
        with torch.no_grad():
            return [torch.nn.functional.conv3d(x, w, padding=1)]
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    out = torch.nn.functional.conv3d(x, w, padding=1)
    slope = torch.linspace(-1, 1, out.shape[-1], device=x.device, dtype=x.dtype)
    out.backward(slope.expand_as(out))  # type: ignore[no-untyped-call]
    return [out.detach(), *(g for g in (x.grad, w.grad) if g is not None)]


def _deviation(found: torch.Tensor, truth: torch.Tensor) -> float:
    difference = (found.double().cpu() - truth).abs().max() / truth.abs().max()
    return float(difference)


def _time(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds a call, the best of as many as fit into a moment."""
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def main(name: str) -> None:
    """Print the rows for one device."""
    for row in measure(select_device(name)):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "auto")
