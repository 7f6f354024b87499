"""The part of a project folder that several processes may add to at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_densify.annotations import AnnotationStore
from napari_densify.core.errors import InputError
from napari_densify.project.history import append_step, read_steps
from napari_densify.project.rounds import Round, list_rounds, make_round

__all__ = ["SharedFolder"]


class SharedFolder:
    """Rounds, predictions and history of a project: added to, never changed.

    Parameters
    ----------
    path
        Project folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def annotations(self) -> AnnotationStore:
        """Strokes as they are on disk, to be read while another process paints."""
        return AnnotationStore(self.path / "annotations.zarr", read_only=True)

    def rounds(self) -> list[Round]:
        """List the rounds that have a model, oldest first."""
        return list_rounds(self.path / "models")

    def new_round(self) -> Round:
        """Make the folder of the next round and keep the strokes of this moment in it."""
        made = make_round(self.path / "models")
        self.annotations().snapshot(made.strokes)
        return made

    def round(self, number: int) -> Round:
        """Round of this number.

        Raises
        ------
        InputError
            If there is none.
        """
        for item in self.rounds():
            if item.number == number:
                return item
        known = ", ".join(str(r.number) for r in self.rounds()) or "none"
        raise InputError(f"there is no round {number}", where=str(self.path), mend=f"has: {known}")

    def prediction_path(self, number: int, role: str = "labels") -> Path:
        """Where the prediction of a round belongs: ``predictions/001.zarr``.

        Parameters
        ----------
        number
            Number of the round.
        role
            ``labels``, ``probabilities``, ``uncertainty`` or ``instances``.
        """
        name = f"{number:03d}" if role == "labels" else f"{number:03d}-{role}"
        return self.path / "predictions" / f"{name}.zarr"

    def log(self, step: str, settings: Mapping[str, Any]) -> None:
        """Add a step to the history."""
        append_step(self.path / "history.jsonl", step, settings)

    def history(self) -> list[dict[str, Any]]:
        """List the steps done: ``time``, ``step``, ``version``, ``settings`` of each."""
        return read_steps(self.path / "history.jsonl")
