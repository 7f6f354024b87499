"""What a job says while it works: frozen messages, one JSON object a line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from napari_densify.core.blocks import Bounds
from napari_densify.core.sizes import say_bytes

__all__ = [
    "Done",
    "Event",
    "Failed",
    "HeldOutScore",
    "LayerUpdated",
    "Log",
    "ModelSaved",
    "Notice",
    "Plan",
    "Progress",
    "Ready",
    "Started",
    "StepDone",
    "StrokesTaken",
    "TrainingCost",
    "dump_event",
    "parse_event",
]


class _Event(BaseModel):
    # NaN and infinity travel as strings: valid JSON, and read back as the same numbers.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    job: str = Field("", description="Identifier of the request that this answers")


class Ready(_Event):
    """The engine is up and takes requests."""

    kind: Literal["ready"] = "ready"
    version: str
    device: str
    devices: tuple[str, ...] = ()


class Started(_Event):
    """A job began."""

    kind: Literal["started"] = "started"
    name: str
    message: str = ""


class TrainingCost(BaseModel):
    """What a training will take: estimates, told before it starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = ""
    precision: str = ""
    host_bytes: int = Field(0, description="Main memory")
    device_bytes: int = Field(0, description="Memory of the device; 0 if that is main memory")
    free_host_bytes: int | None = None
    free_device_bytes: int | None = None
    seconds: float | None = Field(None, description="The budget, or steps times measured time")
    step_seconds: float | None = Field(None, description="Time of a step, where it was measured")
    resolution: str = Field("", description="Why this working resolution")

    def describe(self) -> str:
        """Sentences for the user."""
        uses = f"uses {self.device}, {self.precision}"
        host = f"about {say_bytes(self.host_bytes)} of memory{_free(self.free_host_bytes)}"
        parts = [uses, host]
        if self.device_bytes:
            free = _free(self.free_device_bytes)
            parts.append(f"about {say_bytes(self.device_bytes)} on the device{free}")
        if self.seconds is not None:
            parts.append(f"about {self.seconds:.0f} s")
        return f"{'; '.join(parts)}. Working resolution: {self.resolution}."

    @property
    def fits(self) -> bool:
        """Whether the memory that is free is enough, as far as is known."""
        on_host = self.free_host_bytes is None or self.host_bytes <= self.free_host_bytes
        free = self.free_device_bytes
        return on_host and (free is None or self.device_bytes <= free)


def _free(count: int | None) -> str:
    return "" if count is None else f" ({say_bytes(count)} free)"


class Plan(_Event):
    """What was resolved from wishes and data, with a sentence that explains it."""

    kind: Literal["plan"] = "plan"
    explanation: str
    plan: dict[str, Any] = {}
    cost: TrainingCost | None = None


class Progress(_Event):
    """How far a job is."""

    kind: Literal["progress"] = "progress"
    done: float = Field(ge=0)
    total: float = Field(gt=0)
    unit: str = ""
    eta_s: float | None = None
    message: str = ""


class StepDone(_Event):
    """One or more optimiser steps are done."""

    kind: Literal["step"] = "step"
    step: int
    loss: float
    learning_rate: float
    elapsed_s: float


class StrokesTaken(_Event):
    """A training has taken up what was painted while it went on."""

    kind: Literal["strokes"] = "strokes"
    step: int = Field(description="Optimiser steps done before")
    regions: tuple[Bounds, ...] = Field(description="Boxes painted in")


class HeldOutScore(_Event):
    """Scores on held-out paint."""

    kind: Literal["held_out"] = "held_out"
    step: int
    elapsed_s: float
    dice: dict[int, float] = Field(description="Dice per class code; NaN is left out")
    iou: dict[int, float] = {}
    precision: dict[int, float] = {}
    recall: dict[int, float] = {}
    bce: dict[int, float] = Field({}, description="Binary cross-entropy against the rest")
    mean_dice: float
    interval: tuple[float, float] | None = None
    voxels: int = 0
    slices: tuple[int, ...] = ()


class LayerUpdated(_Event):
    """An array on disk has new content that a layer may show."""

    kind: Literal["layer"] = "layer"
    path: str
    name: str
    role: Literal["labels", "probabilities", "uncertainty", "instances", "preview"] = "labels"
    region: Bounds | None = None
    generation: int = 0
    strokes: int = Field(0, description="Batches of new strokes that a preview has learned from")
    final: bool = Field(False, description="Complete; a coarse preview is not")
    message: str = ""


class ModelSaved(_Event):
    """A model file was written."""

    kind: Literal["model"] = "model"
    path: str
    steps: int
    elapsed_s: float


class Notice(_Event):
    """Something that the user should know, but that stops nothing."""

    kind: Literal["notice"] = "notice"
    level: Literal["info", "warning"] = "info"
    message: str


class Log(_Event):
    """A line for the log."""

    kind: Literal["log"] = "log"
    message: str


class Done(_Event):
    """The job ended well; ``result`` is what the command line prints with --json."""

    kind: Literal["done"] = "done"
    result: dict[str, Any] = {}
    stopped: bool = Field(False, description="Ended early at the user's wish; work is saved")


class Failed(_Event):
    """The job ended badly."""

    kind: Literal["failed"] = "failed"
    message: str
    fault: bool = Field(description="True: a fault of ours; False: input that can't be used")
    again: bool = Field(False, description="The process is lost; in a new one it may go well")
    traceback: str = ""


Event = Annotated[
    Ready
    | Started
    | Plan
    | Progress
    | StepDone
    | StrokesTaken
    | HeldOutScore
    | LayerUpdated
    | ModelSaved
    | Notice
    | Log
    | Done
    | Failed,
    Field(discriminator="kind"),
]

_adapter: TypeAdapter[Event] = TypeAdapter(Event)


def dump_event(event: Event) -> bytes:
    """One line of UTF-8 JSON, line feed included; numpy scalars and paths are made plain."""
    return event.model_dump_json(fallback=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    tolist = getattr(value, "tolist", None)
    return tolist() if tolist else str(value)


def parse_event(line: str | bytes) -> Event:
    """Read one line of the engine's output.

    Raises
    ------
    pydantic.ValidationError
        If the line is not an event.
    """
    return _adapter.validate_json(line)
