"""What the methods section of a paper needs to say, written from what the project knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from napari_densify import __version__
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.model_file import read_spec
from napari_densify.project.document import ProjectDocument
from napari_densify.project.rounds import Round

__all__ = ["methods_text"]

_PLAN = ("preset", "working_factor", "patch", "batch", "loss", "optimiser", "learning_rate",
         "augment", "ema", "seed", "device")  # fmt: skip


def methods_text(
    document: ProjectDocument,
    slice_counts: Mapping[int, Mapping[int, int]],
    rounds: Sequence[Round],
    history: Sequence[Mapping[str, Any]],
) -> str:
    """Describe image, annotation, every round and all steps, in Markdown.

    Parameters
    ----------
    document
        What ``project.json`` says.
    slice_counts
        Annotated voxels per class code, for each Z slice that has any.
    rounds
        Complete rounds of training.
    history
        Steps done.
    """
    parts = [
        f"# Methods\n\nSegmentation with napari-densify {__version__}. Slices count from 0.",
        f"## Image\n\n{_image(document)}",
        f"## Annotation\n\n{_annotation(document, slice_counts)}",
        *(f"## {r.name}\n\n{_round(r, document.classes)}" for r in rounds),
        f"## Steps\n\n{_steps(history)}",
    ]
    return "\n\n".join(parts) + "\n"


def _image(document: ProjectDocument) -> str:
    reference = document.image
    size = " x ".join(map(str, document.shape))
    spacing = " x ".join(f"{s:g}" for s in document.spacing)
    voxel = f"voxel size {spacing} nm (Z, Y, X)" if document.spacing_known else "voxel size unknown"
    channels = f", {reference.channels} channels" if reference.channels > 1 else ""
    kind = reference.dtype or "unknown type"
    return f"{reference.name or 'Image'}: {size} voxels (Z, Y, X), {kind}{channels}, {voxel}."


def _annotation(document: ProjectDocument, slice_counts: Mapping[int, Mapping[int, int]]) -> str:
    total: Counter[int] = Counter()
    for row in slice_counts.values():
        total.update(row)
    painted, (z, y, x) = total.total(), document.shape
    share = 100 * painted / (z * y * x)
    lines = [
        f"{painted} voxels ({share:.3g} % of the volume) on {len(slice_counts)} of {z} slices "
        "were annotated by hand; voxels without annotation were ignored in training.",
        *(_class_line(value, n, painted, document.classes) for value, n in sorted(total.items())),
    ]
    held_out = ", ".join(map(str, document.held_out))
    if held_out:
        lines.append(f"Held out (scored, never trained on): slices {held_out}.")
    else:
        lines.append("No slice was held out.")
    return "\n".join(lines)


def _class_line(value: int, n: int, painted: int, classes: ClassTable) -> str:
    background = ", background" if value == classes.background else ""
    return f"- {classes.name(value)} (code {value}{background}): {n} voxels, {n / painted:.1%}"


def _round(item: Round, classes: ClassTable) -> str:
    try:
        spec = read_spec(item.model)
    except InputError as error:
        return f"Its model cannot be read: {error}."
    return "\n".join([_network(spec), _training(spec), _scores(item.scores, classes)])


def _network(spec: ModelSpec) -> str:
    network = spec.network
    widths = ", ".join("-".join(map(str, level)) for level in network.encoder)
    kernels = ", ".join("x".join(map(str, k)) for k in network.kernels)
    return (
        f"Network: {network.architecture}, {len(network.encoder)} levels with {widths} channels, "
        f"kernels {kernels}, {network.norm} normalisation, {network.activation}; "
        f"classes: {', '.join(c.name for c in spec.classes.classes)}."
    )


def _training(spec: ModelSpec) -> str:
    record = spec.training
    plan = record.get("plan")
    facts = [f"{k.replace('_', ' ')} {plan[k]}" for k in _PLAN if k in plan] if plan else []
    took = f"{record.get('steps', '?')} steps in {record.get('seconds', '?')} s"
    torch = f", PyTorch {record['torch']}" if "torch" in record else ""
    return f"Training: {took}{torch}. {'; '.join(facts)}".rstrip() + ("." if facts else "")


def _scores(scores: Mapping[str, Any], classes: ClassTable) -> str:
    held_out = scores.get("held_out")
    if not isinstance(held_out, dict) or "dice" not in held_out:
        return "It was not scored on held-out slices."
    dice = ", ".join(f"{classes.name(int(v))} {d:.3f}" for v, d in held_out["dice"].items())
    slices = ", ".join(map(str, held_out.get("slices", ()))) or "held-out slices"
    return f"Dice on held-out slices ({slices}): {dice}."


def _steps(history: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"- {s['time']}: {s['step']} (version {s['version']})" for s in history]
    return "\n".join(lines) or "None is recorded."
