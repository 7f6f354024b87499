"""Several processes that train one network together, each on its own GPU: ``torchrun``.

All draw the same batch (same seed) and each computes its share of the patches. Logits are
exchanged before the loss, so that the loss, whose weights and Dice sums run over the
whole batch, is that of one process; gradients are added up. Only batch statistics of
normalisation layers are those of each process's share.

References
----------
https://docs.pytorch.org/docs/stable/elastic/run.html (the variables that torchrun sets).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from napari_densify.core.errors import InputError

__all__ = ["Team", "local_device"]

dist: Any = torch.distributed  # most of it has no types


@dataclass(frozen=True)
class Team:
    """The processes of one training; alone by default.

    Attributes
    ----------
    rank
        Number of this process.
    size
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: torch.device) -> Team:
        """Meet the other processes that torchrun started, if it did."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1 or "RANK" not in os.environ:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this process speaks, decides and saves."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Patches of ``(N, ...)`` that this process computes.

        Raises
        ------
        InputError
            If the patches can't be shared out evenly.
        """
        if len(batch) % self.size:
            raise InputError(
                f"{len(batch)} patches a step can't be shared by {self.size} processes",
                where="torchrun",
                mend=f"set batch={self.size * -(-len(batch) // self.size)}",
            )
        return batch.chunk(self.size)[self.rank] if self.size > 1 else batch

    def joined(self, logits: Tensor) -> Tensor:
        """Put all processes' ``(n, ...)`` together; only the own ones carry a gradient."""
        if self.size == 1:
            return logits
        parts = [torch.empty_like(logits) for _ in range(self.size)]
        dist.all_gather(parts, logits.detach().contiguous())
        parts[self.rank] = logits
        return torch.cat(parts)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients of all processes."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)

    def agree(self, number: float, device: torch.device) -> float:
        """Return the first process's number: clocks differ, decisions must not."""
        if self.size == 1:
            return number
        told = torch.tensor([float(number)], dtype=torch.float64, device=device)
        dist.broadcast(told, 0)
        return float(told)


def local_device(name: str) -> str:
    """Name the GPU of this process, where torchrun started one for each and none was named."""
    rank = os.environ.get("LOCAL_RANK")
    several = rank is not None and torch.cuda.device_count() > 1
    return f"cuda:{rank}" if several and name in ("auto", "cuda") else name
