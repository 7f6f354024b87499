"""MONAI's U-Net, as its tutorials build it, with the same masked cross-entropy.

Residual units, channels 16-256, batches of two 3D patches centred on paint, flips, Adam.
Strides along Z are left out where a patch is too thin for them. MONAI's tutorials take
patches of 96^3; the largest of 96, 64, 48, 32 and 24 of which 100 steps should fit into the
budget is taken, as one would who has no time for more.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.networks.nets import UNet

from benchmarks.rivals import Job, Spent

__all__: list[str] = []

_CHANNELS = (16, 32, 64, 128, 256)
_SIZES = (24, 32, 48, 64, 96)
_ENOUGH = 100


class _Training:
    """A network on patches of one size."""

    def __init__(self, image: np.ndarray, target: np.ndarray, classes: int, size: int) -> None:
        self.patch = tuple(min(size, max(8, -(-n // 8) * 8)) for n in image.shape)
        pads = [(0, max(0, p - n)) for p, n in zip(self.patch, image.shape, strict=True)]
        self.image = np.pad(image, pads, "symmetric")
        self.target = np.pad(target, pads, constant_values=-1)
        flat = [max(0, int(np.log2(p / 4))) for p in self.patch]
        strides = [tuple(2 if level < n else 1 for n in flat) for level in range(4)]
        self.network = UNet(3, 1, classes, _CHANNELS, strides, num_res_units=2)
        self.optimiser = torch.optim.Adam(self.network.parameters(), 1e-3)
        self.centres = np.argwhere(self.target >= 0)

    def step(self, random: np.random.Generator) -> None:
        x, y = zip(*(self._draw(random) for _ in range(2)), strict=True)
        logits = self.network(torch.from_numpy(np.stack(x))[:, None])
        target = torch.from_numpy(np.stack(y))
        loss = torch.nn.functional.cross_entropy(logits, target, ignore_index=-1)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def _draw(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        half, last = np.array(self.patch) // 2, np.array(self.image.shape) - self.patch
        corner = np.clip(self.centres[random.integers(len(self.centres))] - half, 0, last)
        box = tuple(slice(a, a + n) for a, n in zip(corner, self.patch, strict=True))
        axes = [axis for axis in range(3) if random.random() < 0.5]
        flipped = (np.flip(v[box], axes).copy() for v in (self.image, self.target))
        image, target = flipped
        return image, target

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Class index at each voxel."""
        self.network.eval()
        with torch.inference_mode():
            logits = sliding_window_inference(
                torch.from_numpy(image)[None, None], self.patch, 2, self.network,
                overlap=0.25, mode="gaussian", padding_mode="reflect",
            )  # fmt: skip
        return logits[0].argmax(0).numpy()


def _start(job: Job, image: np.ndarray, target: np.ndarray, classes: int) -> _Training:
    """Time small patches, then take the largest of which enough steps should fit."""
    torch.manual_seed(job.seed)
    random = np.random.default_rng(job.seed)
    trainings = [_Training(image, target, classes, size) for size in _SIZES]
    trainings[0].step(random)
    began = time.monotonic()
    trainings[0].step(random)
    seconds_a_voxel = (time.monotonic() - began) / np.prod(trainings[0].patch)
    time_of_one = (job.budget - job.elapsed) / _ENOUGH
    fitting = [t for t in trainings if np.prod(t.patch) * seconds_a_voxel < time_of_one]
    return fitting[-1] if fitting else trainings[0]


def _train(job: Job, training: _Training) -> int:
    """Train until the budget is used; how many steps that were."""
    random, steps = np.random.default_rng(job.seed), 0
    while job.progress < 1:
        training.step(random)
        steps += 1
    return steps


def main() -> None:
    """Train for the job's budget, label all its images."""
    job = Job.from_arguments()
    image, (values, target) = job.image(0), job.classes_of_paint()
    training = _start(job, image, target, len(values))
    steps = _train(job, training)
    spent = Spent(seconds=job.elapsed, steps=steps, remark=f"patch {training.patch}")
    began = time.monotonic()
    for number in range(len(job.images)):
        job.write(number, values[training.predict(job.image(number))])
    spent.predict_seconds = time.monotonic() - began
    job.finish(spent)


if __name__ == "__main__":
    main()
