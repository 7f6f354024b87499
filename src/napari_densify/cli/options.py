"""Options that several commands share, or of commands that have many, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Annotations",
    "Budget",
    "Channels",
    "Cluster",
    "Device",
    "FromNetwork",
    "ObjectIds",
    "Tuning",
    "HeldOut",
    "Image",
    "Images",
    "ImportMap",
    "ImportOutput",
    "ImportSource",
    "ImportTable",
    "ImportZero",
    "Init",
    "Json",
    "LabelsOut",
    "LeaveOneOut",
    "Level",
    "ListMethods",
    "MadeOn",
    "Method",
    "Overrides",
    "PartOf",
    "PredictionOut",
    "Preset",
    "Probabilities",
    "Replace",
    "ResumePrediction",
    "ResumeTraining",
    "Seed",
    "Spacing",
    "Steps",
    "Tune",
    "Uncertainty",
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
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of all random choices.")]
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
Level = Annotated[
    int, typer.Option(min=0, metavar="N", help="Level of a multiscale image; 0 is the finest.")
]
Channels = Annotated[
    str, typer.Option(metavar="LIST", help="Image channels to see: 0,2; default all.")
]

PredictionOut = Annotated[
    str,
    typer.Option(
        "-o", "--output", metavar="OUT", help="OUT.tif, OUT.zarr, or a folder for several."
    ),
]
Probabilities = Annotated[
    str, typer.Option(metavar="P.zarr", help="Write probabilities too (uint8, 255 is 1).")
]
Uncertainty = Annotated[
    str, typer.Option(metavar="U.zarr", help="Write uncertainty too (uint8, 255 is most).")
]
PartOf = Annotated[
    str, typer.Option(metavar="z0:z1,y0:y1,x0:x1", help="Only this part, in voxels.")
]
ResumePrediction = Annotated[
    bool, typer.Option("--resume", help="Keep the blocks that an earlier run has written.")
]
Cluster = Annotated[
    str, typer.Option(metavar="WHERE", help="dask: local, the scheduler's address, or slurm.")
]

Method = Annotated[str, typer.Argument(metavar="METHOD", help="Name from --list.")]
LabelsOut = Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="Labels to write.")]
ObjectIds = Annotated[
    str, typer.Option("--objects", metavar="IDS", help="Ids of regions (watershed, superpixels).")
]
Tuning = Annotated[
    str, typer.Option("--tuning", metavar="TIME", help="Time to tune each method; 0s: not at all.")
]
FromNetwork = Annotated[
    str,
    typer.Option(metavar="P", help="A network's probabilities, for methods that work on them."),
]
Tune = Annotated[bool, typer.Option("--tune", help="Search the parameters on the paint first.")]
ListMethods = Annotated[bool, typer.Option("--list", help="List the methods and their parameters.")]

ImportSource = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Label image, colour-coded mask, ilastik project, COCO file, napari shapes.",
    ),
]
ImportOutput = Annotated[
    str,
    typer.Option(
        "-o", "--output", metavar="OUT", help="Label file, project or IMAGE.zarr::labels/NAME."
    ),
]
MadeOn = Annotated[str, typer.Option(metavar="IMAGE", help="What the annotations were made on.")]
ImportZero = Annotated[
    str, typer.Option(metavar="MEANING", help="What 0 or black means: unlabelled, background.")
]
ImportMap = Annotated[
    list[str],
    typer.Option("--map", metavar="ITEM=VALUE...", help="What an item becomes; 0 unlabelled."),
]
ImportTable = Annotated[
    str, typer.Option(metavar="CSV", help="The same as a table: item, value, name.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Change what is painted, or labels of this name, already.")
]
