"""Quality for a given time: ours beside interpolation, a forest, MONAI and paper-3d.

    python -m benchmarks.quality --budget 120 --seeds 3 --data FOLDER --write
    python -m benchmarks.quality --steps 150 --methods densify densify:optimiser=adamw

A method densify:name=value;name=value is ours with those settings: what a choice is worth.
FOLDER holds one folder a volume, with image.tif and labels.tif (0 not scored, classes
from 1). Only voxels that nobody painted are scored. With --write the table goes to
docs/benchmarks.md, with the command, the date and the machine.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.page import write_section
from benchmarks.scenarios import PAINT, Scene, slice_count, volumes
from napari_densify.classical import run_method
from napari_densify.evaluation import Confusion
from napari_densify.io import open_labels, write_labels


@dataclass(frozen=True)
class Answer:
    """Labels of a method and what they cost."""

    labels: np.ndarray
    seconds: float
    steps: int = 0
    peak_gb: float = 0.0


def ours(
    scene: Scene, budget: float, seed: int, folder: Path, wishes: tuple[str, ...] = ()
) -> Answer:
    """Train and predict through the command line, in processes of their own."""
    image, paint, model = (folder / n for n in ("image.tif", "paint.tif", "model.safetensors"))
    train = [
        "train", str(image), "--annotations", str(paint), "-o", str(model),
        "--seed", str(seed), "--json", *(["--budget", f"{budget}s"] if budget else []),
    ]  # fmt: skip
    for wish in wishes:
        train += ["--set", wish]
    began = time.monotonic()
    events, peak = _densify(*train)
    seconds = time.monotonic() - began
    _densify("predict", str(image), "--model", str(model), "-o", str(folder / "out.tif"), "--json")
    steps = next(e["steps"] for e in events if e["kind"] == "model")
    return Answer(open_labels(folder / "out.tif").read_labels(), seconds, steps, peak)


def paper_3d(scene: Scene, budget: float, seed: int, folder: Path) -> Answer:
    """Run the network and rule of Cicek et al. 2016 for the same time."""
    return ours(scene, budget, seed, folder, ("preset=paper-3d",))


def _densify(*words: str) -> tuple[list[dict], float]:
    code = (
        "import sys, resource; from napari_densify.cli.main import main\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-2000:])
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return events, int(done.stderr.split()[-1]) / 2**20


def classical(name: str) -> Callable[[Scene, float, int, Path], Answer]:
    """Run a classical method with its default parameters."""

    def run(scene: Scene, budget: float, seed: int, folder: Path) -> Answer:
        began = time.monotonic()
        labels = run_method(name, scene.image, annotations=scene.paint)
        return Answer(labels, time.monotonic() - began)

    return run


def monai_unet(scene: Scene, budget: float, seed: int, folder: Path) -> Answer:
    """MONAI's U-Net on 3D patches centred on paint, the same masked loss, Adam 1e-3."""
    import torch
    from monai.inferers import sliding_window_inference
    from monai.networks.nets import UNet

    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    voxels = scene.image.read()[0].astype(np.float32)
    voxels = (voxels - voxels.mean()) / voxels.std()
    values = np.unique(scene.paint[scene.paint > 0])
    target = np.searchsorted(values, scene.paint).astype(np.int64)
    target[scene.paint == 0] = -100
    size = tuple(int(min(n - n % 8, 64)) if n >= 16 else 8 for n in voxels.shape)
    pads = [(0, max(0, s - n)) for s, n in zip(size, voxels.shape, strict=True)]
    voxels, target = np.pad(voxels, pads, "reflect"), np.pad(target, pads, constant_values=-100)
    network = UNet(3, 1, len(values), (16, 32, 64, 128), (2, 2, 2), num_res_units=2)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    centres = np.argwhere(target >= 0)
    began, steps = time.monotonic(), 0
    while time.monotonic() - began < budget:
        corners = [
            np.clip(centres[random.integers(len(centres))] - np.array(size) // 2, 0,
                    np.array(voxels.shape) - size)
            for _ in range(2)
        ]  # fmt: skip
        boxes = [tuple(slice(a, a + s) for a, s in zip(c, size, strict=True)) for c in corners]
        x = torch.from_numpy(np.stack([voxels[b] for b in boxes]))[:, None]
        y = torch.from_numpy(np.stack([target[b] for b in boxes]))
        loss = torch.nn.functional.cross_entropy(network(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps += 1
    seconds = time.monotonic() - began
    network.eval()
    with torch.inference_mode():
        logits = sliding_window_inference(
            torch.from_numpy(voxels)[None, None], size, 2, network, overlap=0.25, mode="gaussian"
        )
    z, y_, x_ = scene.image.shape
    return Answer(values[logits[0].argmax(0).numpy()[:z, :y_, :x_]], seconds, steps)


METHODS: dict[str, Callable[[Scene, float, int, Path], Answer]] = {
    "densify": ours,
    "interpolation": classical("interpolation"),
    "random_forest": classical("random_forest"),
    "paper-3d": paper_3d,
    "monai": monai_unet,
}


def find_method(name: str, steps: int | None) -> Callable[[Scene, float, int, Path], Answer]:
    """Look a method up; ours may bring settings after a colon."""
    base, _, settings = name.partition(":")
    if base not in METHODS:
        raise SystemExit(f"unknown method {name!r}; one of: {', '.join(METHODS)}")
    if base != "densify":
        return METHODS[base]
    wishes = tuple(w for w in settings.split(";") if w) + ((f"steps={steps}",) if steps else ())
    return lambda scene, budget, seed, folder: ours(
        scene, 0 if steps else budget, seed, folder, wishes
    )


def mean_iou(labels: np.ndarray, scene: Scene) -> float:
    """Mean IoU over classes, on voxels with a truth that nobody painted."""
    truth = np.where(scene.paint == 0, scene.truth, 0)
    confusion = Confusion(np.unique(truth[truth > 0]).tolist())
    for z in range(len(truth)):
        confusion.add(z, labels[z], truth[z])
    return float(confusion.rates.mean_iou)


def run(options: argparse.Namespace) -> Iterator[dict]:
    """Measure every method on every scene; one row each."""
    for name, image, truth in volumes(options.data):
        if options.volumes and name not in options.volumes:
            continue
        for rule in options.paint:
            for seed in range(options.seeds):
                paint = PAINT[rule](truth, slice_count(len(truth)), seed)
                scene = Scene(name, image, truth, paint)
                for method in options.methods:
                    yield _measure(scene, rule, seed, method, options)


def _measure(scene: Scene, rule: str, seed: int, method: str, options: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path, volume = Path(folder), scene.image
        known = {"spacing": volume.spacing, "spacing_known": volume.spacing_known}
        write_labels(path / "image.tif", volume.read()[0], **known)
        write_labels(path / "paint.tif", scene.paint, **known)
        answer = find_method(method, options.steps)(scene, options.budget, seed, path)
    row = {
        "volume": scene.name, "paint": rule, "seed": seed, "method": method,
        "iou": round(mean_iou(answer.labels, scene), 4), "seconds": round(answer.seconds, 1),
        "steps": answer.steps, "peak_gb": round(answer.peak_gb, 2),
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row


def table(rows: list[dict], methods: list[str]) -> str:
    """Mean and deviation over seeds, a line a scene, and the mean over scenes."""
    cells: dict[tuple[str, str], dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row["volume"], row["paint"]][row["method"]].append(row)
    lines = [
        "| volume | paint | " + " | ".join(methods) + " |",
        "|---|---|" + "---|" * len(methods),
    ]
    means: dict[str, list[float]] = defaultdict(list)
    for (volume, rule), by_method in cells.items():
        texts = []
        for method in methods:
            got = by_method[method]
            ious = [r["iou"] for r in got]
            means[method].append(float(np.mean(ious)))
            steps = (
                f", {round(np.mean([r['steps'] for r in got]))} steps" if got[0]["steps"] else ""
            )
            seconds = np.mean([r["seconds"] for r in got])
            spread = f" ± {np.std(ious):.3f}" if len(ious) > 1 else ""
            texts.append(f"{np.mean(ious):.3f}{spread} ({seconds:.0f} s{steps})")
        lines.append(f"| {volume} | {rule} | " + " | ".join(texts) + " |")
    overall = " | ".join(f"**{np.mean(means[m]):.3f}**" for m in methods)
    return "\n".join([*lines, f"| **mean** | | {overall} |"])


def write(text: str, options: argparse.Namespace) -> None:
    """Put the table into docs/benchmarks.md."""
    length = f"{options.steps} steps" if options.steps else f"{options.budget:g} s"
    words = ["", *sys.argv[1:]]
    command = shlex.join(
        "FOLDER" if before == "--data" else word for before, word in pairwise(words) if word
    )
    title = options.title or f"Quality after {length}"
    note = (
        "Mean IoU over classes on voxels that nobody painted; "
        f"mean and deviation over {options.seeds} seed(s).\n\n"
    )
    write_section(title, f"python -m benchmarks.quality {command}", note + text)


def main() -> None:
    """Parse options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of training")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder with further volumes")
    parser.add_argument("--volumes", nargs="*", help="only these")
    parser.add_argument("--paint", nargs="*", default=["slices"], choices=list(PAINT))
    usual = ["densify", "interpolation", "random_forest"]
    parser.add_argument("--methods", nargs="*", default=usual)
    parser.add_argument("--steps", type=int, help="of ours, instead of the budget")
    parser.add_argument("--title", help="of the section")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    if "monai" in options.methods and find_spec("monai") is None:
        parser.error("monai is not installed; pip install monai, or leave it out")
    text = table(list(run(options)), options.methods)
    print(text)
    if options.write:
        write(text, options)


if __name__ == "__main__":
    main()
