"""``train``, ``augment``, ``predict`` and ``export``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from napari_densify.cli.app import app
from napari_densify.cli.options import (
    Annotations,
    Budget,
    Channels,
    Cluster,
    Device,
    HeldOut,
    Images,
    Init,
    Json,
    LeaveOneOut,
    Level,
    Overrides,
    PartOf,
    PredictionOut,
    Preset,
    Probabilities,
    ResumePrediction,
    ResumeTraining,
    Seed,
    Spacing,
    Steps,
    Uncertainty,
)
from napari_densify.cli.run import run
from napari_densify.cli.tables import (
    show_augmentation,
    show_export,
    show_predictions,
    show_training,
)
from napari_densify.cli.values import (
    given,
    parse_channels,
    parse_duration,
    parse_slices,
    parse_spacing,
)
from napari_densify.core.errors import InputError
from napari_densify.core.requests import (
    AugmentRequest,
    ExportRequest,
    PredictRequest,
    TrainRequest,
)
from napari_densify.core.settings import (
    PredictSettings,
    TrainSettings,
    apply_overrides,
    validated,
)


@app.command()
def train(
    images: Images,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="MODEL.safetensors", help="Model to write.")
    ],
    annotations: Annotations = [],  # noqa: B006
    budget: Budget = "",
    steps: Steps = None,
    device: Device = "auto",
    preset: Preset = "auto",
    overrides: Overrides = [],  # noqa: B006
    init: Init = "",
    resume: ResumeTraining = False,
    held_out: HeldOut = "",
    leave_one_out: LeaveOneOut = False,
    seed: Seed = 0,
    spacing: Spacing = "",
    level: Level = 0,
    channels: Channels = "",
    json: Json = False,
) -> None:
    """Train a network on painted voxels alone; without --held-out on all that no project keeps."""

    def request() -> TrainRequest:
        wishes = {"preset": preset, "steps": steps, "device": device, "seed": seed, "level": level}
        return TrainRequest(
            images=tuple(images),
            annotations=tuple(annotations),
            output=output,
            init=init,
            resume=resume,
            leave_one_out=leave_one_out,
            settings=train_settings(wishes, budget, held_out, channels, overrides),
            project_held_out=not held_out,
            spacing=given(parse_spacing, spacing),
        )

    raise typer.Exit(run(request, show_training, as_json=json))


def train_settings(
    wishes: dict[str, Any], budget: str, held_out: str, channels: str, overrides: list[str]
) -> TrainSettings:
    """Build the settings of a training from its options.

    Raises
    ------
    InputError
        If an option cannot be read, or two of them contradict each other.
    """
    if budget and wishes["steps"]:
        raise InputError("give --budget or --steps, not both", where="densify train")
    parsed = {
        "budget_s": given(parse_duration, budget),
        "held_out": parse_slices(held_out),
        "channels": given(parse_channels, channels),
    }
    settings = validated(TrainSettings, {**wishes, **parsed}, where="densify train")
    return apply_overrides(settings, overrides)


@app.command()
def augment(
    images: Images,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="OUT.png", help="Picture to write.")
    ],
    annotations: Annotations = [],  # noqa: B006
    preset: Preset = "auto",
    overrides: Overrides = [],  # noqa: B006
    count: Annotated[int, typer.Option(min=1, max=64, help="How many patches.")] = 6,
    seed: Seed = 0,
    spacing: Spacing = "",
    level: Level = 0,
    json: Json = False,
) -> None:
    """Draw patches as a training with these settings would see them; trains nothing."""

    def request() -> AugmentRequest:
        wishes = {"preset": preset, "seed": seed, "level": level}
        settings = validated(TrainSettings, wishes, where="densify augment")
        return AugmentRequest(
            images=tuple(images),
            annotations=tuple(annotations),
            output=output,
            settings=apply_overrides(settings, overrides),
            spacing=given(parse_spacing, spacing),
            count=count,
        )

    raise typer.Exit(run(request, show_augmentation, as_json=json))


@app.command()
def predict(
    images: Images,
    model: Annotated[str, typer.Option(metavar="MODEL", help="Trained model.")],
    output: PredictionOut,
    probabilities: Probabilities = "",
    uncertainty: Uncertainty = "",
    device: Device = "auto",
    region: PartOf = "",
    resume: ResumePrediction = False,
    cluster: Cluster = "",
    spacing: Spacing = "",
    level: Level = 0,
    overrides: Overrides = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Predict dense labels of one or more volumes."""

    def request() -> PredictRequest:
        wishes = {"device": device, "region": region, "resume": resume, "level": level}
        settings = validated(PredictSettings, wishes, where="densify predict")
        return PredictRequest(
            images=tuple(images),
            model=model,
            output=output,
            probabilities=probabilities,
            uncertainty=uncertainty,
            settings=apply_overrides(settings, overrides),
            spacing=given(parse_spacing, spacing),
            cluster=cluster,
        )

    raise typer.Exit(run(request, show_predictions, as_json=json))


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Trained model.")],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="ZIP", help="bioimage.io package to write.")
    ],
    json: Json = False,
) -> None:
    """Write a bioimage.io package of a model."""

    def request() -> ExportRequest:
        return ExportRequest(model=model, output=output)

    raise typer.Exit(run(request, show_export, as_json=json))
