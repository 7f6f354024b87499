"""Commands that make the parts of a report again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from napari_densify.comparison.case import Case

__all__ = ["classical_command", "compare_command", "evaluate_command", "predict_command"]


def classical_command(case: Case, name: str, parameters: Mapping[str, Any]) -> str:
    """Command that labels the volume with one method, with the parameters that were found."""
    sets = [part for k, v in parameters.items() for part in ("--set", f"{k}={_value(v)}")]
    return shlex.join(
        [
            "densify",
            "classical",
            name,
            *_image(case),
            "--annotations",
            "training.tif",
            *sets,
            "-o",
            f"labels/{name}.tif",
        ]
    )


def predict_command(case: Case, model: str, name: str) -> str:
    """Command that predicts with a model, into the labels called ``name``."""
    words = ["densify", "predict", *_image(case), "--model", model, "-o", f"labels/{name}"]
    return shlex.join(words)


def evaluate_command(case: Case, labels: str) -> str:
    """Command that scores labels on the same voxels."""
    truth = case.options.source.truth if case.from_truth else ""
    return shlex.join(
        [
            "densify",
            "evaluate",
            labels,
            "--truth",
            truth or "truth.tif",
            "--annotations",
            "training.tif",
            *_zero(case),
        ]
    )


def compare_command(case: Case) -> str:
    """Command that makes the whole report again."""
    options, source = case.options, case.options.source
    parts = ["densify", "compare", *_image(case)]
    parts += ["--annotations", source.annotations or "ANNOTATIONS"]
    if case.from_truth:
        parts += ["--truth", source.truth or "truth.tif"]
    parts += _zero(case)
    if case.held_out:
        parts += ["--held-out", ",".join(map(str, case.held_out))]
    methods = [e.name for e in case.entries if e.family != "network"]
    parts += ["--methods", ",".join(methods)]
    if source.models:
        parts += ["--model", *source.models]
    if source.budget_s:
        parts += ["--budget", f"{source.budget_s:g}s"]
    parts += ["--tuning", f"{options.tune_s:g}s", "--seed", str(options.seed)]
    parts += ["-o", str(case.folder.absolute())]
    return shlex.join(parts)


def _image(case: Case) -> list[str]:
    source = case.options.source
    words = ["--level", str(source.level)] if source.level else []
    if source.spacing:
        words += ["--spacing", ",".join(f"{side:g}" for side in source.spacing)]
    return [source.image or case.image.source or "IMAGE", *words]


def _zero(case: Case) -> list[str]:
    return ["--zero", "background"] if case.options.zero == "background" else []


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
