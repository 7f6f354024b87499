"""Out of memory: smaller batches, then smaller tiles, then the CPU; each step is said."""

from __future__ import annotations

import torch

from napari_densify.core.settings import Triple
from napari_densify.inference.tiling import Tiling

__all__ = ["Ladder", "is_out_of_memory"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no room, on the device or in main memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "cannot allocate" in text
    )


class Ladder:
    """Steps down when memory runs out, and remembers what to tell the user.

    Parameters
    ----------
    tiling
        What was planned.
    device
        Where the network runs.
    factor
        Working cell (Z, Y, X) in voxels.

    Attributes
    ----------
    notices
        What was done, one sentence a step; to be told and taken away.
    """

    def __init__(self, tiling: Tiling, device: torch.device, factor: Triple) -> None:
        self.tiling, self.device = tiling, device
        self._planned, self._factor = tiling, factor
        self.notices: list[str] = []

    def step_down(self, error: BaseException) -> None:
        """Take less at once from now on.

        Raises
        ------
        MemoryError
            If the smallest tile doesn't fit on the CPU either.
        """
        smaller = self.tiling.smaller(self._factor)
        if smaller is not None:
            self.tiling = smaller
            self._say(_describe(smaller))
        elif self.device.type != "cpu":
            self._say("the CPU computes from here on")
            self.tiling, self.device = self._planned, torch.device("cpu")
        else:
            raise MemoryError("not even the smallest tile fits") from error

    def _say(self, remedy: str) -> None:
        self.notices.append(f"out of memory on {self.device}: {remedy}")


def _describe(tiling: Tiling) -> str:
    z, y, x = tiling.tile
    return f"going on with tiles of {z}x{y}x{x} voxels, {tiling.slab} slice(s) at once"
