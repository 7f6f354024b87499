"""``classical``, ``evaluate``, ``compare`` and ``instances``."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_densify.cli.app import app
from napari_densify.cli.options import (
    Annotations,
    Budget,
    Device,
    FromNetwork,
    HeldOut,
    Image,
    Json,
    LabelsOut,
    Level,
    ListMethods,
    Method,
    ObjectIds,
    Overrides,
    Seed,
    Spacing,
    Tune,
    Tuning,
    Zero,
)
from napari_densify.cli.run import run
from napari_densify.cli.tables import (
    show_comparison,
    show_instances,
    show_labels,
    show_methods,
    show_scores,
)
from napari_densify.cli.values import (
    given,
    only_one,
    parse_duration,
    parse_names,
    parse_slices,
    parse_spacing,
    parse_zero,
)
from napari_densify.core.errors import InputError
from napari_densify.core.requests import (
    ClassicalRequest,
    CompareRequest,
    EvaluateRequest,
    InstancesRequest,
    MethodsRequest,
)
from napari_densify.core.settings import parse_pairs


@app.command()
def classical(
    method: Method = "",
    image: Image = "",
    output: LabelsOut = "",
    annotations: Annotations = [],  # noqa: B006
    overrides: Overrides = [],  # noqa: B006
    probabilities: FromNetwork = "",
    held_out: HeldOut = "",
    objects: ObjectIds = "",
    tune: Tune = False,
    spacing: Spacing = "",
    level: Level = 0,
    list_methods: ListMethods = False,
    json: Json = False,
) -> None:
    """Run one classical method."""
    if list_methods:
        raise typer.Exit(run(MethodsRequest, show_methods, as_json=json))

    def request() -> ClassicalRequest:
        if not (method and image and output):
            raise InputError(
                "give METHOD, IMAGE and -o OUT",
                where="densify classical",
                mend="or --list to see the methods",
            )
        return ClassicalRequest(
            method=method,
            image=image,
            output=output,
            annotations=only_one(annotations),
            probabilities=probabilities,
            objects=objects,
            held_out=parse_slices(held_out),
            project_held_out=not held_out,
            parameters=parse_pairs(overrides),
            tune=tune,
            spacing=given(parse_spacing, spacing),
            level=level,
        )

    raise typer.Exit(run(request, show_labels, as_json=json))


@app.command()
def evaluate(
    prediction: Annotated[str, typer.Argument(metavar="PREDICTION", help="Dense labels.")],
    truth: Annotated[str, typer.Option(metavar="TRUTH", help="Labels to score against.")],
    annotations: Annotations = [],  # noqa: B006
    zero: Zero = "unscored",
    mask: Annotated[str, typer.Option(metavar="M", help="Score only where this is not 0.")] = "",
    instances: Annotated[
        bool, typer.Option("--instances", help="Score objects: one id each, 0 no object.")
    ] = False,
    json: Json = False,
) -> None:
    """Score a prediction against a truth, without the voxels that were trained on."""

    def request() -> EvaluateRequest:
        return EvaluateRequest(
            prediction=prediction,
            truth=truth,
            annotations=only_one(annotations),
            zero=parse_zero(zero),
            mask=mask,
            instances=instances,
        )

    raise typer.Exit(run(request, show_scores, as_json=json))


@app.command()
def compare(
    image: Image,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="REPORT_DIR", help="Folder for the report.")
    ],
    annotations: Annotations = [],  # noqa: B006
    truth: Annotated[str, typer.Option(metavar="TRUTH", help="Labels to score against.")] = "",
    methods: Annotated[str, typer.Option(metavar="all|a,b,c", help="Classical methods.")] = "all",
    model: Annotated[
        list[str], typer.Option("--model", metavar="MODEL...", help="Trained models.")
    ] = [],  # noqa: B006
    budget: Budget = "",
    tuning: Tuning = "5s",
    device: Device = "auto",
    held_out: HeldOut = "",
    zero: Zero = "unscored",
    seed: Seed = 0,
    spacing: Spacing = "",
    level: Level = 0,
    json: Json = False,
) -> None:
    """Score classical methods and networks side by side and write a report."""

    def request() -> CompareRequest:
        return CompareRequest(
            image=image,
            annotations=only_one(annotations),
            output=output,
            truth=truth,
            methods=parse_names(methods),
            models=tuple(model),
            budget_s=given(parse_duration, budget),
            tune_s=parse_duration(tuning, where="--tuning", none=True),
            held_out=parse_slices(held_out),
            project_held_out=not held_out,
            zero=parse_zero(zero),
            device=device,
            seed=seed,
            spacing=given(parse_spacing, spacing),
            level=level,
        )

    raise typer.Exit(run(request, show_comparison, as_json=json))


@app.command()
def instances(
    prediction: Annotated[
        str, typer.Argument(metavar="PREDICTION", help="Semantic or boundary prediction.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="Ids to write.")],
    overrides: Overrides = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Turn a prediction into one id for each object."""

    def request() -> InstancesRequest:
        return InstancesRequest(
            prediction=prediction, output=output, parameters=parse_pairs(overrides)
        )

    raise typer.Exit(run(request, show_instances, as_json=json))
