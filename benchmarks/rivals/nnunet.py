"""nnU-Net v2 with its ignore label, its own planner, network, augmentation and loss.

Its planner is made for 8 GB GPUs and 250,000 iterations. Given less, one would ask it for a
smaller plan: here the largest of its plans (memory targets of 8 GB and less) of which, by
the time of one iteration, 150 fit into the budget, and its polynomial rate
is run down over the budget. What it does before the first iteration (fingerprint, plans,
preprocessing, trying plans) isn't counted as training time; prediction is its default, with
mirroring.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from benchmarks.rivals import Job, Spent

__all__: list[str] = []

_NAME = "Dataset001_Paint"
_TARGETS_GB = (8.0, 2.0, 0.5, 0.12, 0.03)
_ENOUGH = 150
_THINNEST = 4  # on thinner patches its blur fails


def main() -> None:
    """Train for the job's budget, label all its images."""
    job = Job.from_arguments()
    _set("compile", "f")
    for name in ("raw", "preprocessed", "results"):
        _set(name, job.path(f"nnunet/{name}"))
    values = _write_dataset(job)
    trainer, patch = _start(job)
    began, steps = time.monotonic(), 0
    while (used := (time.monotonic() - began) / job.budget) < 1:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - used) ** 0.9
        trainer.train_step(next(trainer.dataloader_train))
        steps += 1
    spent = Spent(seconds=time.monotonic() - began, steps=steps, remark=f"patch {patch}")
    began = time.monotonic()
    for number in range(len(job.images)):
        job.write(number, values[_predict(job, trainer, number)])
    spent.predict_seconds = time.monotonic() - began
    job.finish(spent)


def _set(name: str, value: str) -> None:
    os.environ[f"nnUNet_{name}"] = value


def _write_dataset(job: Job) -> np.ndarray:
    """Write the painted volume as nnU-Net wants it: classes from 0, the ignore label last."""
    values, indices = job.classes_of_paint()
    base = Path(job.path(f"nnunet/raw/{_NAME}"))
    for name in ("imagesTr", "labelsTr"):
        (base / name).mkdir(parents=True)
        (base / name / "paint.json").write_text(json.dumps({"spacing": _spacing(job)}))
    image = tifffile.imread(job.path(job.images[0])).astype(np.float32)
    tifffile.imwrite(base / "imagesTr" / "paint_0000.tif", image)
    target = np.where(indices < 0, len(values), indices).astype(np.uint8)
    tifffile.imwrite(base / "labelsTr" / "paint.tif", target)
    labels = {"background": 0} | {f"class{i}": i for i in range(1, len(values))}
    description = {
        "channel_names": {"0": "EM"}, "labels": labels | {"ignore": len(values)},
        "numTraining": 1, "file_ending": ".tif", "overwrite_image_reader_writer": "Tiff3DIO",
    }  # fmt: skip
    (base / "dataset.json").write_text(json.dumps(description))
    return values


def _spacing(job: Job) -> list[float]:
    """Voxel size in units of a pixel: nanometres would make its checks trip over numbers."""
    return [s / job.spacing[-1] for s in job.spacing]


def _start(job: Job) -> tuple[Any, tuple[int, ...]]:
    """Time the smallest plan, then take the largest of which enough iterations should fit."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        preprocess_dataset,
    )

    extract_fingerprint_dataset(1, num_processes=1, show_progress_bar=False)
    plans = {size: target for target in _TARGETS_GB if (size := _size(target))}
    if not plans:
        raise SystemExit("nnU-Net plans no patch of this volume that its augmentation can take")
    smallest = min(plans)
    _size(plans[smallest])
    preprocess_dataset(1, configurations=["3d_fullres"], num_processes=[1])
    trainer = _trainer(job)
    seconds_a_voxel = _step_time(trainer) / smallest
    fitting = [n for n in plans if n * seconds_a_voxel * _ENOUGH < job.budget]
    largest = max(fitting, default=smallest)
    if largest > smallest:
        _size(plans[largest])
        trainer = _trainer(job)
    return trainer, tuple(trainer.configuration_manager.patch_size)


def _size(target: float) -> int:
    """Plan for a GPU of that many GB; voxels in a batch, 0 where its blur can't take the patch."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiment_dataset

    plan = plan_experiment_dataset(1, gpu_memory_target_in_gb=target)[0]
    fullres = plan["configurations"]["3d_fullres"]
    deep = min(fullres["patch_size"]) >= _THINNEST
    return int(np.prod(fullres["patch_size"]) * fullres["batch_size"]) if deep else 0


def _step_time(trainer: Any) -> float:
    """Seconds of an iteration, its data included, once warm."""
    trainer.train_step(next(trainer.dataloader_train))
    began = time.monotonic()
    trainer.train_step(next(trainer.dataloader_train))
    return time.monotonic() - began


def _trainer(job: Job) -> Any:
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    torch.manual_seed(job.seed)
    np.random.seed(job.seed)  # noqa: NPY002, its loaders draw from the global state
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = get_trainer_from_args("1", "3d_fullres", "all", device=device)
    _set("n_proc_DA", "0")  # augments in this process, as there are few cores
    trainer.on_train_start()
    _set("n_proc_DA", "1")
    trainer.network.train()
    return trainer


def _predict(job: Job, trainer: Any, number: int) -> np.ndarray:
    """Class index at each voxel, with its defaults: half overlap, mirroring."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(
        device=trainer.device, perform_everything_on_device=trainer.device.type == "cuda",
        allow_tqdm=False,
    )  # fmt: skip
    predictor.manual_initialization(
        trainer.network, trainer.plans_manager, trainer.configuration_manager,
        [trainer.network.state_dict()], trainer.dataset_json, type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )  # fmt: skip
    image = tifffile.imread(job.path(job.images[number])).astype(np.float32)
    return predictor.predict_single_npy_array(image[None], {"spacing": _spacing(job)})


if __name__ == "__main__":
    main()
