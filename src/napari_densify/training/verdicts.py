"""What was found out about low precision on this machine, kept for the next training."""

from __future__ import annotations

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

import torch
from platformdirs import user_cache_path
from pydantic import ValidationError

from napari_densify.core.base import Settings
from napari_densify.core.files import atomic_write_bytes
from napari_densify.core.settings import NetworkConfig, Triple

__all__ = ["Piece", "Verdict", "VerdictStore"]

# Rounding to 8 bits through a dozen layers turns a layer's gradient by up to 35 degrees
# (cosine 0.82, measured where both are right); garbage points anywhere.
_LEAST_COSINE = 0.6
# Times closer than this are the luck of the day, and not kept.
_CLEARLY = 1.15


class Piece(Settings):
    """A step to rehearse."""

    network: NetworkConfig
    batch: int
    patch: Triple
    threads: int = 1


class Verdict(Settings):
    """What came of it.

    Attributes
    ----------
    cosine
        Least cosine between the gradients of a layer in low precision and in float32.
    seconds, seconds_low
        Of a step in float32 and in low precision.
    """

    cosine: float
    seconds: float
    seconds_low: float

    @property
    def right(self) -> bool:
        """Whether the gradients are what they should be."""
        return self.cosine > _LEAST_COSINE

    @property
    def faster(self) -> bool:
        """Whether a step takes less time than in float32."""
        return self.seconds_low < self.seconds

    @property
    def clear(self) -> bool:
        """Whether it would be the same another time."""
        slower, quicker = sorted((self.seconds, self.seconds_low), reverse=True)
        return not self.right or slower > _CLEARLY * quicker


class VerdictStore:
    """Verdicts by step and machine: a small file each, in the user's cache folder.

    A verdict holds for one processor, system and version of torch. A store that can't be
    read or written is an empty one.

    Parameters
    ----------
    folder
        Where they are kept; by default in the user's cache.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or user_cache_path("napari-densify") / "low-precision"

    def find(self, piece: Piece) -> Verdict | None:
        """Return what was found out about a step, if anything."""
        try:
            return Verdict.model_validate_json(self._path(piece).read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, piece: Piece, verdict: Verdict) -> None:
        """Keep a verdict, if it is a clear one."""
        if verdict.clear:
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                atomic_write_bytes(self._path(piece), verdict.model_dump_json().encode())

    def _path(self, piece: Piece) -> Path:
        machine = (platform.machine(), _processor(), str(os.cpu_count()), torch.__version__)
        text = "\n".join((*machine, piece.model_dump_json()))
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _processor() -> str:
    """Name and abilities of the processor, as far as the system tells them."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({x for x in lines if x.startswith(("model", "flags"))}))
    return platform.processor()
