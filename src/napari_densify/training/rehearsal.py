"""Rehearse a step in low precision to learn whether it is right, and faster, on this CPU.

On CPUs with AMX some low-precision gradients crash or hang (torch 2.13, oneDNN 3.12),
and which ones depends on shapes. So a child process rehearses one step of the very
network, patch and batch, and low precision is used only if it comes back with
gradients close to those of float32, sooner than float32 does.

``python -m napari_densify.training.rehearsal PIECE`` is that child: it takes a
piece of work as JSON and prints a verdict (:mod:`napari_densify.training.verdicts`).
"""

from __future__ import annotations

import faulthandler
import subprocess
import sys
import threading
import time

import torch
from pydantic import ValidationError
from torch import nn

from napari_densify.inference.device import needs_rehearsal
from napari_densify.networks import SameSize, build_network
from napari_densify.training.plan import TrainPlan
from napari_densify.training.schedules import load_ahead
from napari_densify.training.verdicts import Piece, Verdict, VerdictStore

__all__ = ["LowPrecision", "Rehearsal", "begin_rehearsal", "rehearse", "rehearse_ahead"]

_TIMEOUT_S = 30.0
_SLOW_S = 2.0
_TURNS = 4


class Rehearsal:
    """A rehearsal in a child process, begun at once; none where the verdict is known.

    Parameters
    ----------
    piece
        What to rehearse.
    command
        The child; replaced in tests.
    store
        Verdicts that are known; this one is kept there.
    """

    def __init__(
        self,
        piece: Piece,
        command: list[str] | None = None,
        *,
        store: VerdictStore | None = None,
    ) -> None:
        self._piece, self._store = piece, store
        self._began, self._heard = time.monotonic(), False
        self._known = store.find(piece) if store else None
        self._child: subprocess.Popen[bytes] | None = None
        if self._known is not None:
            return
        program = command or [sys.executable, "-m", "napari_densify.training.rehearsal"]
        self._child = subprocess.Popen(
            [*program, piece.model_dump_json()],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether a verdict can be had without waiting; a hang is one."""
        return self.ends_within(0.0)

    def ends_within(self, seconds: float) -> bool:
        """Wait so long at the most for a verdict; a hang is one."""
        if self._child is None or time.monotonic() - self._began > _TIMEOUT_S:
            return True
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def passed(self, timeout_s: float = _TIMEOUT_S, *, faster: bool = True) -> bool:
        """Wait for the end; a crash, a hang and garbage all mean no.

        Parameters
        ----------
        timeout_s
            Seconds since its beginning after which it hangs.
        faster
            Whether being right is not enough.
        """
        verdict = self._known or self._heard_of(timeout_s)
        return verdict is not None and verdict.right and (verdict.faster or not faster)

    def _heard_of(self, timeout_s: float) -> Verdict | None:
        assert self._child is not None
        try:
            left = max(0.0, self._began + timeout_s - time.monotonic())
            output, _ = self._child.communicate(timeout=left)
            verdict = Verdict.model_validate_json(output)
        except (subprocess.TimeoutExpired, ValidationError):
            return None
        finally:
            self.end()
        if self._child.returncode:
            return None
        if self._store:
            self._store.keep(self._piece, verdict)
        return verdict

    def end(self) -> None:
        """End the child, if it still lives."""
        if self._child is not None and (self._child.returncode is None or not self._heard):
            self._child.kill()
            self._child.communicate()  # reaps it and closes the pipe
            self._heard = True


class LowPrecision:
    """When a training goes over to low precision: at once, later or never.

    Where steps are counted, not seconds, the same ones give the same weights: the verdict
    is waited for, and being right is enough, as being faster depends on what else the
    machine does. A resumed training goes as it went before. Any other one waits
    a little, and otherwise begins in float32.

    Parameters
    ----------
    rehearsal
        What has been begun, if anything.
    before
        Precision of the training that is taken up again.
    counted
        Whether steps are counted.
    """

    def __init__(self, rehearsal: Rehearsal | None, *, before: str | None, counted: bool) -> None:
        self._rehearsal, self._before = rehearsal, before
        self._waits = counted or before is not None

    def begins(self, wait_s: float = 0.0) -> bool:
        """Whether it is time; True once at most.

        Parameters
        ----------
        wait_s
            Seconds to wait for a verdict that is not there yet.
        """
        rehearsal = self._rehearsal
        if rehearsal is None or not (self._waits or rehearsal.ends_within(wait_s)):
            return False
        self._rehearsal = None
        return rehearsal.passed(faster=not self._waits) and self._before != "auto"


def begin_rehearsal(plan: TrainPlan, device: torch.device) -> Rehearsal | None:
    """Begin one where the plan leaves the precision open and the CPU is known for trouble."""
    if plan.precision != "auto" or not needs_rehearsal(device):
        return None
    # One thread: it goes on beside the reading, and two processes with a thread for every core
    # wait for each other (five training steps in 20 s, measured).
    piece = Piece(network=plan.network, batch=plan.batch, patch=plan.patch)
    return Rehearsal(piece, store=VerdictStore())


def rehearse_ahead(plan: TrainPlan, device: torch.device) -> None:
    """Let a verdict be found out, and kept, while nobody waits for it."""
    load_ahead()
    rehearsal = begin_rehearsal(plan, device)
    if rehearsal is not None:
        threading.Thread(target=rehearsal.passed, name="rehearsal", daemon=True).start()


def rehearse(piece: Piece) -> Verdict:
    """Take the same step in float32 and in bfloat16, in turns.

    The shortest time of each counts: a machine that is busy with something else makes any
    single one too long. Slow networks take one turn, as warming up matters little there.
    """
    torch.set_num_threads(piece.threads)
    torch.manual_seed(0)
    network = build_network(piece.network)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    model = SameSize(network, piece.network)
    x = torch.randn(piece.batch, piece.network.in_channels, *piece.patch)
    x = x.contiguous(memory_format=torch.channels_last_3d)
    exact, seconds = _step(model, x, low=False)
    low, seconds_low = _step(model, x, low=True)
    for _ in range(_TURNS if seconds + seconds_low < _SLOW_S else 0):
        seconds = min(seconds, _step(model, x, low=False)[1])
        seconds_low = min(seconds_low, _step(model, x, low=True)[1])
    return Verdict(cosine=_least_cosine(exact, low), seconds=seconds, seconds_low=seconds_low)


def _step(model: nn.Module, x: torch.Tensor, *, low: bool) -> tuple[list[torch.Tensor], float]:
    """Gradients of the weights, and the seconds that they took."""
    began = time.perf_counter()
    model.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        out = model(x)
    finest = out[0] if isinstance(out, list) else out
    loss = torch.nn.functional.cross_entropy(finest, torch.zeros_like(finest[:, 0]).long())
    torch.autograd.backward(loss)
    seconds = time.perf_counter() - began
    weights = [p for p in model.parameters() if p.dim() > 1 and p.grad is not None]
    return [p.grad.flatten() for p in weights if p.grad is not None], seconds


def _least_cosine(exact: list[torch.Tensor], low: list[torch.Tensor]) -> float:
    cosines = [float(torch.cosine_similarity(a, b, 0)) for a, b in zip(exact, low, strict=True)]
    return min((c if c == c else -1.0 for c in cosines), default=-1.0)  # NaN is not close


if __name__ == "__main__":
    # Should it hang and nobody be left to end it.
    faulthandler.dump_traceback_later(2 * _TIMEOUT_S, exit=True)
    print(rehearse(Piece.model_validate_json(sys.argv[1])).model_dump_json())
