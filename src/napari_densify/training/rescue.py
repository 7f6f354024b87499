"""What goes wrong in a step, and how the training goes on: never silently, never for ever."""

from __future__ import annotations

import math

import torch

from napari_densify.core.errors import InputError
from napari_densify.inference.ladder import is_out_of_memory
from napari_densify.training.sampler import PatchSampler
from napari_densify.training.state import TrainingState

__all__ = ["Rescue"]

# So often in a row the loss may be no number before there is no sense in going on.
_ATTEMPTS = 5


class Rescue:
    """Takes steps; halves the batch where memory runs out, calms down where the loss is NaN.

    Parameters
    ----------
    state
        Network and optimiser.

    Attributes
    ----------
    batch
        Patches a step.
    notices
        What was done, one sentence each; to be told and taken away.
    """

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self.batch = state.plan.batch
        self.notices: list[str] = []

    def step(self, sampler: PatchSampler, progress: float) -> float:
        """Take one step and return its loss.

        Raises
        ------
        InputError
            If a single patch doesn't fit, or the loss stays no number.
        """
        for _ in range(_ATTEMPTS):
            loss = self._try(sampler, progress)
            if math.isfinite(loss):
                return loss
            self._state.calm()
            self.notices.append(
                f"the loss was not a number at step {self._state.step + 1}: going on from the "
                f"averaged weights in float32, at {self._state.damping:.2g} of the learning rate"
            )
        raise InputError(
            "the loss is not a number, at a low learning rate neither",
            where=f"step {self._state.step + 1}",
            mend="lower learning_rate, or look for extreme values in the image",
        )

    def _try(self, sampler: PatchSampler, progress: float) -> float:
        """Loss of a step, with as many patches as there is memory for."""
        while True:
            try:
                return self._state.advance(sampler.draw(self.batch), progress)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(error)

    def _halve(self, error: Exception) -> None:
        device = self._state.device
        if self.batch == 1:
            size = " x ".join(map(str, self._state.plan.patch))
            raise InputError(
                f"not enough memory on {device} for a single patch of {size}",
                mend="set a smaller patch or base_channels, or another device",
            ) from error
        before, self.batch = self.batch, self.batch // 2
        self._state.optimiser.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        self.notices.append(
            f"out of memory on {device}: going on with {self.batch} patches a step, not {before}"
        )

    def take_notices(self) -> list[str]:
        """Return what the user should know since the last call, and forget it."""
        notices, self.notices = self.notices, []
        return notices
