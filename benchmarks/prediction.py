"""File to file against MONAI's sliding-window inferer, with the same network; time by stage.

    python -m benchmarks.prediction --model MODEL --image IMAGE [--truth LABELS] [--write]

Both read the image, predict and write labels. MONAI's inferer gets its usual settings:
windows of the size that the network was trained on, overlap 0.25, one window at a time.
The runs alternate, and the best of each counts. Beside the wall time stands the
processor time, which a busy machine disturbs less. MONAI: ``pip install monai``
(dependency group ``bench``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.page import busy, write_section
from napari_densify.core.labels import ClassTable
from napari_densify.core.normalisation import measure_intensity, normalise
from napari_densify.core.settings import PredictSettings
from napari_densify.evaluation import score_labels
from napari_densify.inference.export import ExportedNetwork
from napari_densify.inference.stages import Stopwatch
from napari_densify.inference.volume import Outputs, predict_volume
from napari_densify.io import create_sink, open_image, open_labels, write_labels
from napari_densify.networks import load_model

FIGURES = Path(__file__).parent / "figures"
"""Where figures are kept that other pages are computed from."""


class Case:
    """A model, an image, and the two ways of predicting it."""

    def __init__(self, model: Path, image: Path, precision: str) -> None:
        self.model, self.image, self.precision = load_model(model), image, precision
        self.watch, self.wall_s = Stopwatch(), 0.0

    def densify(self, output: Path) -> None:
        """Read, predict and write as ``densify predict`` does."""
        volume, spec = open_image(self.image), self.model.spec
        sink = create_sink(output, shape=volume.shape, dtype=np.uint8, classes=spec.classes)
        settings = PredictSettings(device="cpu", precision=self.precision, mirrors=1)
        self.watch, began = Stopwatch(), time.perf_counter()
        events = predict_volume(
            self.model.network, spec, volume, Outputs(sink), settings, watch=self.watch
        )
        for _ in events:
            pass
        sink.close()
        self.wall_s = time.perf_counter() - began

    def monai(self, output: Path) -> None:
        """Read, slide a window over the volume as MONAI does, write."""
        from monai.inferers import SlidingWindowInferer

        volume, spec = open_image(self.image), self.model.spec
        intensity = measure_intensity(volume, spec.normalisation)
        image = torch.from_numpy(normalise(volume.read(), intensity))[None]
        network = ExportedNetwork(self.model.network, spec).eval()
        window = tuple(
            min(p * f, n)
            for p, f, n in zip(spec.patch, spec.working_factor, volume.shape, strict=True)
        )
        if spec.features is not None:  # their coarsest grid has to divide it
            window = (window[0], *(n // 16 * 16 for n in window[1:]))
        low = self.precision == "bf16"
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            answer = SlidingWindowInferer(roi_size=window, overlap=0.25)(image, network)
        values = np.asarray(spec.classes.values, np.uint8)
        write_labels(output, values[answer[0].argmax(0).numpy()], classes=spec.classes)


def best_of(ways: dict[str, Callable[[Path], None]], rounds: int, folder: Path) -> dict[str, dict]:
    """Alternate the ways; the least wall and processor seconds of each."""
    found = {name: {"wall_s": float("inf"), "cpu_s": float("inf")} for name in ways}
    for number in range(rounds):
        for name, run in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run(folder / f"{name}{number}.tif")
            row = found[name]
            row["wall_s"] = min(row["wall_s"], time.perf_counter() - wall)
            row["cpu_s"] = min(row["cpu_s"], time.process_time() - cpu)
    return found


def stored_bytes(case: Case, output: Path, labels: Path) -> int:
    """Bytes that the labels take as a compressed zarr, coarser levels included."""
    write_labels(output, open_labels(labels).read_labels(), classes=case.model.spec.classes)
    return sum(file.stat().st_size for file in output.rglob("*") if file.is_file())


def mean_iou(labels: Path, truth: str, classes: ClassTable) -> float:
    """Mean IoU over the classes."""
    wanted = open_labels(truth).read_labels()
    scores = score_labels(open_labels(labels).read_labels(), wanted, classes=classes)
    return float(scores.mean_iou or 0.0)


def main() -> None:
    """Measure and print, or write into the docs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--truth", default="")
    parser.add_argument("--precision", default="float32", choices=["float32", "bf16"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--title", default="Prediction, file to file")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    case = Case(options.model, options.image, options.precision)
    voxels = int(np.prod(open_image(options.image).shape))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ways = {"densify": case.densify, "monai": case.monai}
        found = best_of(ways, options.rounds, folder)
        for name, row in found.items():
            row["kvoxel_per_s"] = round(voxels / row["wall_s"] / 1e3, 1)
            row["kvoxel_per_cpu_s"] = round(voxels / row["cpu_s"] / 1e3, 1)
            if options.truth:
                class_table = case.model.spec.classes
                row["mean_iou"] = mean_iou(folder / f"{name}0.tif", options.truth, class_table)
        stored = stored_bytes(case, folder / "size.zarr", folder / "densify0.tif")
    facts = {**found, "stages": case.watch.seconds, "stored_bytes_per_voxel": stored / voxels}
    print(json.dumps(facts))
    body = table(found, case.watch.seconds, case.wall_s)
    print(body)
    if options.write:
        words = f"--precision {options.precision} --rounds {options.rounds}"
        FIGURES.mkdir(exist_ok=True)
        name = f"prediction-{options.precision}.json"
        (FIGURES / name).write_text(json.dumps(facts, indent=1) + "\n")
        if options.threads:
            words += f" --threads {options.threads}"
        write_section(
            f"{options.title}, {options.precision}",
            f"python -m benchmarks.prediction --model {options.model.name} "
            f"--image {options.image.name} {words}",
            body,
        )


def table(found: dict[str, dict], stages: dict[str, float], wall_s: float) -> str:
    """Tables for the page."""
    names = list(next(iter(found.values())))
    rows = ["| | " + " | ".join(n.replace("_", " ") for n in names) + " |"]
    rows.append("|---" * (len(names) + 1) + "|")
    for way, row in found.items():
        rows.append(f"| {way} | " + " | ".join(f"{row[n]:.3f}" for n in names) + " |")
    ratios = {n: found["monai"][n] / found["densify"][n] for n in ("wall_s", "cpu_s")}
    total = sum(stages.values())
    share = stages["network"] / wall_s
    rows += [
        "",
        f"Densify is {ratios['wall_s']:.2f} times as fast by the clock, "
        f"{ratios['cpu_s']:.2f} times by processor time.",
        "",
        "| " + " | ".join(stages) + " |",
        "|---" * len(stages) + "|",
        "| " + " | ".join(f"{100 * s / total:.1f} %" for s in stages.values()) + " |",
        "",
        f"Seconds of each stage of Densify over their sum; stages overlap. The network alone runs "
        f"{100 * share:.0f} % of the wall time of its last run. {busy()}",
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
