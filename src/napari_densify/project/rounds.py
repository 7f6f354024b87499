"""Rounds of training: ``models/001/`` holds a model, the strokes it learned from, its scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_densify.annotations import AnnotationStore
from napari_densify.core.errors import InputError
from napari_densify.core.files import atomic_write_json, remove_tree, replace
from napari_densify.project.updates import LearnedStrokes, StrokeUpdates

__all__ = ["Round", "list_rounds", "make_round"]


@dataclass(frozen=True)
class Round:
    """One round of training.

    Attributes
    ----------
    folder
        Its folder, named by its number.
    """

    folder: Path

    @property
    def number(self) -> int:
        """Number, from 1; never used twice while the round or a prediction of it exists."""
        return int(self.folder.name)

    @property
    def model(self) -> Path:
        """Model file."""
        return self.folder / "model.safetensors"

    @property
    def strokes(self) -> Path:
        """Snapshot of the annotations that it began with (an ``AnnotationStore``)."""
        return self.folder / "strokes.zarr"

    @property
    def updates(self) -> StrokeUpdates:
        """Strokes that came while it was trained."""
        return StrokeUpdates(self.folder / "updates")

    def belongs_to(self, project: str | Path) -> bool:
        """Whether it is a round of this project, however that is addressed."""
        return Path(project).resolve() == self.folder.resolve().parents[1]

    def project_annotations(self) -> AnnotationStore:
        """Open the strokes of its project as they are on disk."""
        return AnnotationStore(self.folder.parents[1] / "annotations.zarr", read_only=True)

    def learned_strokes(self) -> LearnedStrokes:
        """All strokes that it has learned from.

        Raises
        ------
        InputError
            If it kept none.
        """
        return LearnedStrokes(AnnotationStore(self.strokes, read_only=True), self.updates)

    @property
    def complete(self) -> bool:
        """Whether training got as far as saving a model."""
        return self.model.is_file()

    @property
    def name(self) -> str:
        """Name that the user gave it, else its number."""
        return str(_read(self.folder / "round.json").get("name") or f"round {self.number}")

    @property
    def created(self) -> str:
        """When it was begun (ISO 8601, UTC)."""
        return str(_read(self.folder / "round.json").get("created", ""))

    @property
    def scores(self) -> dict[str, Any]:
        """Scores that were saved with it; empty if none."""
        return _read(self.folder / "scores.json")

    def begin(self, annotations: AnnotationStore) -> None:
        """Keep the strokes of this moment as those that it begins with.

        Raises
        ------
        OSError
            If there is no room or no permission; what was kept before is then intact.
        """
        fresh = self.folder / "strokes-now.zarr"
        remove_tree(fresh)
        annotations.snapshot(fresh)
        self.updates.clear()
        remove_tree(self.strokes)
        replace(fresh, self.strokes)

    def rename(self, name: str) -> None:
        """Give it a name; an empty one brings the number back."""
        content = {**_read(self.folder / "round.json"), "name": name.strip()}
        _write(self.folder / "round.json", content)

    def save_scores(self, scores: Mapping[str, Any]) -> None:
        """Keep scores with the model."""
        _write(self.folder / "scores.json", dict(scores))

    def delete(self) -> None:
        """Delete model, strokes and scores, and what was predicted with the model.

        Raises
        ------
        InputError
            If there is no permission.
        """
        try:
            for result in _predictions(self.folder.parent):
                if _number_of(result) == self.number:
                    remove_tree(result)
            remove_tree(self.folder)
        except OSError as error:
            raise _refused(self.folder, error, what="deleted") from None


def list_rounds(folder: Path) -> list[Round]:
    """Complete rounds in the order of their numbers."""
    return [r for r in _all(folder) if r.complete]


def make_round(folder: Path) -> Round:
    """Make the folder of the next round; safe from several processes at once.

    Raises
    ------
    InputError
        If there is no room or no permission.
    """
    try:
        folder.mkdir(exist_ok=True)
        number = _last_number(folder) + 1
        while True:
            try:
                (folder / f"{number:03d}").mkdir()
                break
            except FileExistsError:
                number += 1
    except OSError as error:
        raise _refused(folder, error) from None
    made = Round(folder / f"{number:03d}")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    _write(made.folder / "round.json", {"name": "", "created": created})
    return made


def _all(folder: Path) -> list[Round]:
    if not folder.is_dir():
        return []
    found = [Round(f) for f in folder.iterdir() if f.name.isdigit() and f.is_dir()]
    return sorted(found, key=lambda r: r.number)


def _last_number(folder: Path) -> int:
    """Highest number in use: a prediction that outlived its round must not become another's."""
    used = [r.number for r in _all(folder)] + [_number_of(p) for p in _predictions(folder)]
    return max(used, default=0)


def _predictions(folder: Path) -> list[Path]:
    """Results beside the rounds' folder: ``predictions/001.zarr``, ``001-probabilities.zarr``."""
    return [p for p in (folder.parent / "predictions").glob("*.zarr") if _number_of(p)]


def _number_of(result: Path) -> int:
    """Round that a result in ``predictions`` belongs to; 0 for none."""
    digits = result.stem.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        atomic_write_json(path, content)
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: OSError, *, what: str = "written") -> InputError:
    return InputError(
        f"cannot be {what} ({error.strerror or error})",
        where=str(path),
        mend="free some room, or get permission to write there",
    )
