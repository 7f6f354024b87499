"""Commands that make the parts of a report again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from napari_densify.comparison.case import Case

__all__ = ["classical_command", "compare_command", "evaluate_command"]


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


def evaluate_command(case: Case, labels: str) -> str:
    """Command that scores labels on the same voxels."""
    zero = ["--zero", "background"] if case.options.zero == "background" else []
    truth = case.options.truth_source if case.from_truth else ""
    return shlex.join(
        [
            "densify",
            "evaluate",
            labels,
            "--truth",
            truth or "truth.tif",
            "--annotations",
            "training.tif",
            *zero,
        ]
    )


def compare_command(case: Case) -> str:
    """Command that makes the whole report again."""
    options = case.options
    parts = ["densify", "compare", *_image(case)]
    parts += ["--annotations", options.annotations_source or "ANNOTATIONS"]
    if case.from_truth:
        parts += ["--truth", options.truth_source or "truth.tif"]
    if case.held_out:
        parts += ["--held-out", ",".join(map(str, case.held_out))]
    methods = [e.name for e in case.entries if e.family != "network"]
    if methods:
        parts += ["--methods", ",".join(methods)]
    parts += ["--seed", str(options.seed), "-o", str(case.folder)]
    return shlex.join(parts)


def _image(case: Case) -> list[str]:
    level = ["--level", str(case.options.level)] if case.options.level else []
    return [case.options.image_source or case.image.source or "IMAGE", *level]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
