"""``train``, ``predict`` and ``export``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from napari_densify.cli.app import app
from napari_densify.cli.options import (
    Annotations,
    Budget,
    Device,
    HeldOut,
    Images,
    Json,
    Overrides,
    Seed,
    Spacing,
)
from napari_densify.cli.run import run
from napari_densify.cli.tables import show_export, show_predictions, show_training
from napari_densify.cli.values import (
    parse_channels,
    parse_duration,
    parse_slices,
    parse_spacing,
)
from napari_densify.core.errors import InputError
from napari_densify.core.requests import ExportRequest, PredictRequest, TrainRequest
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
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Optimiser steps, in place of a budget.")
    ] = None,
    device: Device = "auto",
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="auto, fast, paper-3d, paper-2d, ...")
    ] = "auto",
    overrides: Overrides = [],  # noqa: B006
    init: Annotated[str, typer.Option(metavar="MODEL", help="Start from this model.")] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same --steps training was stopped.")
    ] = False,
    held_out: HeldOut = "",
    seed: Seed = 0,
    spacing: Spacing = "",
    level: Annotated[int, typer.Option(metavar="N", help="Level of a multiscale image.")] = 0,
    channels: Annotated[
        str, typer.Option(metavar="LIST", help="Image channels to see: 0,2; default all.")
    ] = "",
    json: Json = False,
) -> None:
    """Train a network on painted voxels alone; without --held-out on all of them."""

    def request() -> TrainRequest:
        if budget and steps:
            raise InputError("give --budget or --steps, not both", where="densify train")
        wishes: dict[str, Any] = {
            "preset": preset,
            "budget_s": parse_duration(budget) if budget else None,
            "steps": steps,
            "device": device,
            "seed": seed,
            "held_out": parse_slices(held_out),
            "level": level,
            "channels": parse_channels(channels) if channels else None,
        }
        settings = validated(TrainSettings, wishes, where="densify train")
        return TrainRequest(
            images=tuple(images),
            annotations=tuple(annotations),
            output=output,
            init=init,
            resume=resume,
            settings=apply_overrides(settings, overrides),
            spacing=parse_spacing(spacing) if spacing else None,
        )

    raise typer.Exit(run(request, show_training, as_json=json))


@app.command()
def predict(
    images: Images,
    model: Annotated[str, typer.Option(metavar="MODEL", help="Trained model.")],
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="OUT", help="OUT.tif, OUT.zarr, or a folder for several."
        ),
    ],
    probabilities: Annotated[
        str, typer.Option(metavar="P.zarr", help="Write probabilities too (uint8, 255 is 1).")
    ] = "",
    uncertainty: Annotated[
        str, typer.Option(metavar="U.zarr", help="Write uncertainty too (uint8, 255 is most).")
    ] = "",
    device: Device = "auto",
    region: Annotated[
        str, typer.Option(metavar="z0:z1,y0:y1,x0:x1", help="Only this part, in voxels.")
    ] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the blocks that an earlier run has written.")
    ] = False,
    cluster: Annotated[
        str, typer.Option(metavar="WHERE", help="dask: local, the scheduler's address, or slurm.")
    ] = "",
    spacing: Spacing = "",
    overrides: Overrides = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Predict dense labels of one or more volumes."""

    def request() -> PredictRequest:
        settings = PredictSettings(device=device, region=region, resume=resume)
        return PredictRequest(
            images=tuple(images),
            model=model,
            output=output,
            probabilities=probabilities,
            uncertainty=uncertainty,
            settings=apply_overrides(settings, overrides),
            spacing=parse_spacing(spacing) if spacing else None,
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
