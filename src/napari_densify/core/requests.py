"""What the engine can be asked: frozen messages, one JSON object a line.

A *job* request starts work that yields events until ``Done`` or ``Failed``; the
others speak to the job under way or to the engine itself. The command line
builds the same job requests.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from napari_densify.core.blocks import Bounds
from napari_densify.core.settings import PredictSettings, TrainSettings

__all__ = [
    "AugmentRequest",
    "Cancel",
    "ClassicalRequest",
    "CompareRequest",
    "DemoRequest",
    "DoctorRequest",
    "EvaluateRequest",
    "ExportRequest",
    "ImportRequest",
    "InfoRequest",
    "InstancesRequest",
    "JobRequest",
    "MethodsRequest",
    "Pause",
    "PredictRequest",
    "RelocateRequest",
    "ReplayRequest",
    "Request",
    "Rest",
    "Resume",
    "Shutdown",
    "SketchRequest",
    "StrokesChanged",
    "SuggestRequest",
    "TrainRequest",
    "View",
    "parse_request",
]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Job(_Message):
    job: str = Field("", description="Identifier; every answering event carries it")


class InfoRequest(_Job):
    """Shape, dtype, voxel size, chunks; memory and time estimate."""

    kind: Literal["info"] = "info"
    image: str
    spacing: tuple[float, float, float] | None = Field(None, description="nm; overrides the file")
    level: int = Field(0, ge=0, description="Level of a multiscale image")
    methods: bool = Field(False, description="Of a project: text for a methods section instead")
    ahead: bool = Field(
        False, description="A training will follow: find out what it has to know of this machine"
    )


class TrainRequest(_Job):
    """Train a model on the paint of one or more volumes."""

    kind: Literal["train"] = "train"
    images: tuple[str, ...] = Field(min_length=1, description="Paths, projects or FILE::dataset")
    annotations: tuple[str, ...] = ()
    output: str = ""
    project: str = Field("", description="Project whose round this becomes; output may be empty")
    init: str = ""
    settings: TrainSettings = TrainSettings()
    spacing: tuple[float, float, float] | None = Field(None, description="nm; overrides the files")
    leave_one_out: bool = Field(
        False, description="Also train without each volume in turn and score its paint"
    )
    project_held_out: bool = Field(
        False, description="Hold out what the projects hold out, where the settings name no slice"
    )
    live: bool = Field(False, description="Predict the slice on screen and take up new strokes")
    resume: bool = Field(
        False, description="Take up the training of this output that was stopped before its end"
    )


class AugmentRequest(_Job):
    """Draw patches as a training with these settings would see them."""

    kind: Literal["augment"] = "augment"
    images: tuple[str, ...] = Field(min_length=1)
    annotations: tuple[str, ...] = ()
    output: str
    settings: TrainSettings = TrainSettings()
    spacing: tuple[float, float, float] | None = None
    count: int = Field(6, ge=1, le=64)


class PredictRequest(_Job):
    """Predict one or more volumes with a saved model."""

    kind: Literal["predict"] = "predict"
    images: tuple[str, ...] = Field(min_length=1)
    model: str
    output: str
    probabilities: str = ""
    uncertainty: str = ""
    settings: PredictSettings = PredictSettings()
    spacing: tuple[float, float, float] | None = None
    cluster: str = ""
    view: Bounds | None = Field(None, description="Predict blocks nearest to this first")


class ClassicalRequest(_Job):
    """Run one classical method."""

    kind: Literal["classical"] = "classical"
    method: str
    image: str
    output: str
    objects: str = Field("", description="Ids of its regions, for methods that have some")
    annotations: str = ""
    probabilities: str = Field("", description="Of a network, (C, Z, Y, X), for methods on them")
    held_out: tuple[int, ...] = Field((), description="Slices whose paint is not learned from")
    project_held_out: bool = Field(
        True, description="Hold out what the project holds out, where no slice is named"
    )
    parameters: dict[str, Any] = {}
    tune: bool = Field(False, description="Search the parameters on the paint first")
    spacing: tuple[float, float, float] | None = None
    level: int = Field(0, ge=0, description="Level of a multiscale image")
    region: Bounds | None = Field(None, description="Only this part: the preview of a slider")
    generation: int = Field(0, description="Number of a preview; its answer carries it")


class MethodsRequest(_Job):
    """List the classical methods with their parameters."""

    kind: Literal["methods"] = "methods"


class ImportRequest(_Job):
    """Make labels of annotations from another program, or say what they would become."""

    kind: Literal["import"] = "import"
    source: str
    output: str = Field("", description="Label file or project; empty: only look")
    image: str = Field("", description="What they belong to, where they don't state a shape")
    zero: Literal["unlabelled", "background"] = "unlabelled"
    table: str = Field("", description="CSV of item, value, name")
    wishes: tuple[tuple[str, int, str], ...] = Field((), description="Item, value, name")
    replace: bool = Field(False, description="Change what is painted in the project already")


class EvaluateRequest(_Job):
    """Score a prediction against a truth."""

    kind: Literal["evaluate"] = "evaluate"
    prediction: str
    truth: str
    annotations: str = ""
    zero: Literal["unscored", "background"] = "unscored"
    mask: str = ""
    instances: bool = False


class CompareRequest(_Job):
    """Score several methods side by side and write a report."""

    kind: Literal["compare"] = "compare"
    image: str
    annotations: str
    output: str
    truth: str = ""
    methods: tuple[str, ...] = ("all",)
    models: tuple[str, ...] = ()
    predictions: dict[str, str] = Field({}, description="Labels that are there already, by name")
    budget_s: float | None = None
    tune_s: float = Field(5.0, ge=0, description="About how long each method is tuned; 0: not")
    held_out: tuple[int, ...] = ()
    project_held_out: bool = Field(
        True, description="Hold out what the project holds out, where no slice is named"
    )
    zero: Literal["unscored", "background"] = "unscored"
    device: str = "auto"
    seed: int = Field(0, ge=0)
    spacing: tuple[float, float, float] | None = None
    level: int = Field(0, ge=0, description="Level of a multiscale image")


class SketchRequest(_Job):
    """Label a region by a quick forest from the strokes so far: a first answer."""

    kind: Literal["sketch"] = "sketch"
    project: str
    region: Bounds
    generation: int = Field(0, description="Number of the view; the answer carries it")
    settings: TrainSettings = TrainSettings()


class SuggestRequest(_Job):
    """Rank the slices to paint next."""

    kind: Literal["suggest"] = "suggest"
    image: str
    model: str
    annotations: str
    count: int = Field(5, ge=1)
    seed: int = Field(0, ge=0)
    level: int = Field(0, ge=0, description="Level of a multiscale image")


class InstancesRequest(_Job):
    """Turn a semantic or boundary prediction into one id per object."""

    kind: Literal["instances"] = "instances"
    prediction: str
    output: str
    parameters: dict[str, Any] = {}


class ExportRequest(_Job):
    """Write a bioimage.io package."""

    kind: Literal["export"] = "export"
    model: str
    output: str


class RelocateRequest(_Job):
    """Say where the image of a project is now."""

    kind: Literal["relocate"] = "relocate"
    project: str
    image: str
    anyway: bool = Field(False, description="Take it although its voxels are others")


class ReplayRequest(_Job):
    """Do again, headless, what the history of a project says."""

    kind: Literal["replay"] = "replay"
    project: str
    output: str = Field("", description="Folder for the new files; empty: beside the project")


class DemoRequest(_Job):
    """Train on a bundled volume, predict it, compare with classical methods, report."""

    kind: Literal["demo"] = "demo"
    output: str = "demo-output"
    sample: str = "fibsem"
    settings: TrainSettings = TrainSettings()


class DoctorRequest(_Job):
    """Say which device, which speed, and what is missing, with the fix."""

    kind: Literal["doctor"] = "doctor"


class Cancel(_Message):
    """Stop the named job (or all, if empty) and keep what was done."""

    kind: Literal["cancel"] = "cancel"
    job: str = ""


class Pause(_Message):
    """Hold the job under way still."""

    kind: Literal["pause"] = "pause"


class Resume(_Message):
    """Let the paused job go on."""

    kind: Literal["resume"] = "resume"


class View(_Message):
    """What the user is looking at now."""

    kind: Literal["view"] = "view"
    region: Bounds | None
    generation: int
    beside: tuple[Bounds, ...] = Field((), description="Other planes through it, for later")


class StrokesChanged(_Message):
    """Regions of the annotations that were flushed to disk."""

    kind: Literal["strokes"] = "strokes"
    regions: tuple[Bounds, ...]


class Rest(_Message):
    """End, and give all memory back, once nothing was asked for so long."""

    kind: Literal["rest"] = "rest"
    minutes: float = Field(ge=0, description="0: never")


class Shutdown(_Message):
    """End the engine."""

    kind: Literal["shutdown"] = "shutdown"


JobRequest = (
    InfoRequest
    | TrainRequest
    | AugmentRequest
    | PredictRequest
    | ClassicalRequest
    | MethodsRequest
    | EvaluateRequest
    | CompareRequest
    | SketchRequest
    | SuggestRequest
    | InstancesRequest
    | ImportRequest
    | ExportRequest
    | RelocateRequest
    | ReplayRequest
    | DemoRequest
    | DoctorRequest
)

Request = Annotated[
    JobRequest | Cancel | Pause | Resume | View | StrokesChanged | Rest | Shutdown,
    Field(discriminator="kind"),
]

_adapter: TypeAdapter[Request] = TypeAdapter(Request)


def parse_request(line: str | bytes) -> Request:
    """Read one line of the engine's input.

    Raises
    ------
    pydantic.ValidationError
        If the line is not a request.
    """
    return _adapter.validate_json(line)
