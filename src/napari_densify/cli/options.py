"""Options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Annotations",
    "Budget",
    "Channels",
    "Device",
    "HeldOut",
    "Image",
    "Images",
    "Init",
    "Json",
    "LeaveOneOut",
    "Level",
    "Overrides",
    "Preset",
    "ResumeTraining",
    "Seed",
    "Spacing",
    "Steps",
    "Zero",
]

Image = Annotated[str, typer.Argument(metavar="IMAGE", help="A path, a project, or FILE::dataset.")]
Images = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE", help="Paths, projects, or FILE::dataset."),
]
Annotations = Annotated[
    list[str],
    typer.Option(
        "--annotations",
        metavar="LABELS...",
        help="Painted labels, one for each image: 0 not annotated, 1..K classes.",
    ),
]
Budget = Annotated[
    str,
    typer.Option(metavar="TIME", help="Wall-clock time from start to saved model: 120s, 2m, 1h."),
]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
HeldOut = Annotated[
    str,
    typer.Option(metavar="SLICES", help="Painted slices to score on, not to train on: 3,5-7."),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of all random choices.")]
Spacing = Annotated[
    str,
    typer.Option(
        metavar="Z,Y,X", help="Voxel size in nm, in place of the file's (or 0.5,0.1,0.1um)."
    ),
]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="NAME=VALUE...", help="Change any setting by its name."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the events, one JSON object a line, nothing else.")
]
Zero = Annotated[
    str,
    typer.Option(metavar="MEANING", help="What 0 in TRUTH means: unscored, or background."),
]
Steps = Annotated[
    int | None, typer.Option(metavar="N", help="Optimiser steps, in place of a budget.")
]
Preset = Annotated[str, typer.Option(metavar="NAME", help="auto, fast, paper-3d, paper-2d, ...")]
Init = Annotated[
    str, typer.Option(metavar="MODEL", help="Start from this model, or this bioimage.io package.")
]
ResumeTraining = Annotated[
    bool, typer.Option("--resume", help="Go on where the same --steps training was stopped.")
]
LeaveOneOut = Annotated[
    bool,
    typer.Option(
        "--leave-one-out", help="Also train without each volume in turn, and score its paint."
    ),
]
Level = Annotated[int, typer.Option(metavar="N", help="Level of a multiscale image.")]
Channels = Annotated[
    str, typer.Option(metavar="LIST", help="Image channels to see: 0,2; default all.")
]
