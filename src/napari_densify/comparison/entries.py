"""What is known of each method that was compared."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from napari_densify.core.base import Settings
from napari_densify.core.labels import ClassTable
from napari_densify.core.volume import ArrayLike, Spacing, Volume
from napari_densify.evaluation import Scores

__all__ = ["CompareOptions", "Entry", "ModelPrediction", "Provenance"]


class ModelPrediction:
    """Dense labels of a network, made elsewhere, to be scored beside the methods.

    Parameters
    ----------
    labels
        Class codes ``(Z, Y, X)``, or a path to them.
    seconds
        Time that training and prediction took, if known.
    parameters
        Settings worth showing.
    trained_slices
        Z slices that it was trained on, if known: it gets no score where they are scored.
    model
        Model file, for the command that makes it again; empty if unknown.
    """

    def __init__(
        self,
        labels: ArrayLike | Volume | str,
        *,
        seconds: float | None = None,
        parameters: dict[str, Any] | None = None,
        trained_slices: tuple[int, ...] = (),
        model: str = "",
    ) -> None:
        self.labels = labels
        self.seconds = seconds
        self.parameters = parameters or {}
        self.trained_slices = trained_slices
        self.model = model


class Provenance(Settings):
    """Where everything came from, for the commands in the report; empty where unknown."""

    image: str = ""
    annotations: str = ""
    truth: str = ""
    models: tuple[str, ...] = ()
    budget_s: float | None = Field(None, description="Time that a network was trained for")
    spacing: Spacing | None = Field(None, description="Voxel size (Z, Y, X) in nm, if stated")
    level: int = Field(0, ge=0, description="Of a multiscale image")


class CompareOptions(Settings):
    """How a comparison is made."""

    held_out: tuple[int, ...] = Field(
        (),
        title="Held-out slices",
        description="Painted slices that are scored, not learned from; empty without a truth: "
        "about a third of them",
    )
    zero: Literal["unscored", "background"] = Field(
        "unscored", title="Meaning of 0", description="What 0 in the truth means"
    )
    tune_s: float = Field(
        5.0,
        ge=0,
        title="Tuning time",
        description="About how long each method's parameters are searched; 0: defaults",
        json_schema_extra={"unit": "s"},
    )
    seed: int = Field(0, ge=0, title="Seed")
    classes: ClassTable | None = None
    source: Provenance = Provenance()


class Entry(Settings):
    """One row of the comparison."""

    name: str
    title: str
    family: str
    labels: str = Field("", description="Path of the labels, relative to the report")
    seconds: float | None = None
    tuning_seconds: float | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    scores: Scores | None = None
    error: str = ""
    command: str = ""

    def row(self) -> dict[str, Any]:
        """Flat row for tables: names of columns are words, numbers are bare."""
        row: dict[str, Any] = {"method": self.title, "family": self.family}
        if self.scores is None:
            return {**row, "error": self.error}
        s = self.scores
        row |= {
            "mean Dice": s.mean_dice,
            "low": s.mean_dice_interval[0] if s.mean_dice_interval else None,
            "high": s.mean_dice_interval[1] if s.mean_dice_interval else None,
            "mean IoU": s.mean_iou,
            "boundary F1": s.boundary_f1,
            "Rand error": s.rand_error,
            "VI": s.variation_of_information,
        }
        for c in s.classes:
            for measure in ("dice", "iou", "precision", "recall"):
                label = {"dice": "Dice", "iou": "IoU"}.get(measure, measure)
                row[f"{label} {c.name}"] = getattr(c, measure)
        row["seconds"] = self.seconds
        row["tuning seconds"] = self.tuning_seconds
        row["parameters"] = " ".join(f"{k}={v}" for k, v in self.parameters.items())
        return row

    def brief(self) -> dict[str, Any]:
        """Return the row that fits a terminal."""
        if self.scores is None:
            return dict.fromkeys(
                ("mean Dice", "95 % interval", "mean IoU", "boundary F1", "seconds")
            ) | {"method": self.title, "note": self.error}
        s = self.scores
        span = s.mean_dice_interval
        return {
            "method": self.title,
            "mean Dice": s.mean_dice,
            "95 % interval": f"{span[0]:.3f} to {span[1]:.3f}" if span else None,
            "mean IoU": s.mean_iou,
            "boundary F1": s.boundary_f1,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "note": "",
        }
