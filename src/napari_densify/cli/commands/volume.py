"""``info``, ``import``, ``relocate``, ``suggest`` and ``replay``."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_densify.cli.app import app
from napari_densify.cli.options import (
    Annotations,
    Image,
    ImportMap,
    ImportOutput,
    ImportSource,
    ImportTable,
    ImportZero,
    Json,
    Level,
    MadeOn,
    Replace,
    Seed,
    Spacing,
)
from napari_densify.cli.run import run
from napari_densify.cli.tables import (
    show_import,
    show_info,
    show_relocation,
    show_replay,
    show_suggestions,
)
from napari_densify.cli.values import (
    given,
    only_one,
    parse_spacing,
    parse_unpainted,
)
from napari_densify.core.requests import (
    ImportRequest,
    InfoRequest,
    RelocateRequest,
    ReplayRequest,
    SuggestRequest,
)


@app.command()
def info(
    image: Image,
    spacing: Spacing = "",
    level: Level = 0,
    methods: Annotated[
        bool,
        typer.Option("--methods", help="Of a project: what a paper's methods section needs."),
    ] = False,
    json: Json = False,
) -> None:
    """Print shape, dtype, voxel size, chunks, and an estimate of memory and time."""

    def request() -> InfoRequest:
        size = given(parse_spacing, spacing)
        return InfoRequest(image=image, spacing=size, level=level, methods=methods)

    raise typer.Exit(run(request, show_info, as_json=json))


@app.command()
def relocate(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="Project folder.")],
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Where its image is now.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Take it although its voxels are others.")
    ] = False,
    json: Json = False,
) -> None:
    """Say where the image of a project is now."""

    def request() -> RelocateRequest:
        return RelocateRequest(project=project, image=image, anyway=anyway)

    raise typer.Exit(run(request, show_relocation, as_json=json))


@app.command("import")
def import_(
    source: ImportSource,
    output: ImportOutput = "",
    image: MadeOn = "",
    zero: ImportZero = "unlabelled",
    map_: ImportMap = [],  # noqa: B006
    table: ImportTable = "",
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Make labels of annotations from other programs, or say what they would become."""

    def request() -> ImportRequest:
        from napari_densify.io import parse_wishes

        return ImportRequest(
            source=source,
            output=output,
            image=image,
            zero=parse_unpainted(zero),
            table=table,
            wishes=tuple((w.item, w.value, w.name) for w in parse_wishes(map_)),
            replace=replace,
        )

    raise typer.Exit(run(request, show_import, as_json=json))


@app.command()
def suggest(
    image: Image,
    model: Annotated[str, typer.Option(metavar="MODEL", help="Trained model.")],
    annotations: Annotations = [],  # noqa: B006 - typer copies it
    count: Annotated[int, typer.Option(min=1, help="How many slices to name.")] = 5,
    seed: Seed = 0,
    level: Level = 0,
    json: Json = False,
) -> None:
    """Say which slice to paint next, and why."""

    def request() -> SuggestRequest:
        paint = only_one(annotations)
        return SuggestRequest(
            image=image, model=model, annotations=paint, count=count, seed=seed, level=level
        )

    raise typer.Exit(run(request, show_suggestions, as_json=json))


@app.command()
def replay(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="Project folder.")],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="Where the new files go.")
    ] = "",
    json: Json = False,
) -> None:
    """Do again, headless, what the history of a project says."""

    def request() -> ReplayRequest:
        return ReplayRequest(project=project, output=output)

    raise typer.Exit(run(request, show_replay, as_json=json))
