"""The training loop, in the order things happen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from napari_densify.annotations import Annotations
from napari_densify.core.control import JobControl
from napari_densify.core.events import Event, ModelSaved, Plan, Progress, StepDone
from napari_densify.core.labels import ClassTable, require_trainable
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity, measure_intensity
from napari_densify.core.settings import TrainSettings, Triple
from napari_densify.core.volume import Volume
from napari_densify.inference.device import autocast_dtype, select_device
from napari_densify.inference.inputs import network_input, scale_features, spec_logits
from napari_densify.networks import SameSize, build_network, save_model
from napari_densify.training.augment import augment_batch
from napari_densify.training.crops import Crop, measure_features, read_crop, training_regions
from napari_densify.training.ema import AveragedWeights
from napari_densify.training.facts import gather_facts
from napari_densify.training.losses import class_weights, masked_loss
from napari_densify.training.plan import TrainPlan, resolve_plan, spec_from_plan
from napari_densify.training.sampler import Batch, PatchSampler
from napari_densify.training.schedules import Schedule, make_optimiser

__all__ = ["TrainingSource", "train"]

# Kept back from the budget for writing the model.
_SAVE_S = 1.0


@dataclass(frozen=True)
class TrainingSource:
    """One volume with its paint."""

    volume: Volume
    annotations: Annotations


def train(
    sources: Sequence[TrainingSource],
    settings: TrainSettings,
    *,
    output: Path,
    classes: ClassTable | None = None,
    control: JobControl | None = None,
    started: float | None = None,
) -> Iterator[Event]:
    """Train a network on painted voxels alone and save it.

    Parameters
    ----------
    sources
        Volumes with their paint; all have the same channels and classes.
    settings
        What the user wishes; what is left open is decided from the data.
    output
        Model file to write (safetensors).
    classes
        Class table of the paint; plain names if there is none.
    control
        Mailbox read between two steps.
    started
        ``time.monotonic()`` at which the time budget began; now by default.

    Yields
    ------
    Events; the last ones are ``ModelSaved`` and nothing after it.

    Raises
    ------
    InputError
        If nothing can be learned from the paint.
    """
    control = control or JobControl()
    clock = Clock(started if started is not None else time.monotonic())
    counts = _painted(sources, settings)
    require_trainable(counts, classes)
    table = (classes or ClassTable.from_values(counts)).only(counts)
    device = select_device(settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)

    volumes = [s.volume for s in sources]
    intensities = [measure_intensity(v) for v in volumes]
    plan = resolve_plan(settings, gather_facts(volumes, counts, device.type))
    yield Plan(explanation=plan.explanation, plan=plan.model_dump(mode="json"))

    crops: list[Crop] = []
    for crop in _read_crops(sources, intensities, plan, table, settings.held_out):
        crops.append(crop)
        yield Progress(done=len(crops), total=len(crops) + 1, message="reading painted slices")
    offset, gain = measure_features(crops)
    for crop in crops:
        if crop.features is not None:
            scale_features(crop.features, offset, gain)
    sampler = PatchSampler(
        crops, plan.patch, plan.working_factor, classes=len(table), seed=plan.seed,
        mirror=plan.augment.flips, margin=plan.margin, neighbours=plan.neighbours,
    )  # fmt: skip
    spec = spec_from_plan(
        plan,
        classes=table,
        spacing=volumes[0].spacing,
        spacing_known=volumes[0].spacing_known,
        channels=settings.channels,
        image_channels=volumes[0].channels,
        feature_offset=offset,
        feature_gain=gain,
    )
    state = TrainingState(plan, spec, device, [counts[v] for v in table.values])
    clock.expect(plan)
    while not clock.over(state.step) and not control.stop:
        loss = state.advance(sampler.draw(plan.batch), clock.progress(state.step))
        yield StepDone(
            step=state.step, loss=loss, learning_rate=state.rate, elapsed_s=clock.elapsed
        )
        yield clock.report(state.step)
    record = {
        "plan": plan.model_dump(mode="json"), "settings": settings.model_dump(mode="json"),
        "steps": state.step, "seconds": round(clock.elapsed, 1), "torch": torch.__version__,
    }  # fmt: skip
    save_model(output, state.averaged.state_dict(), spec.model_copy(update={"training": record}))
    yield ModelSaved(path=str(output), steps=state.step, elapsed_s=clock.elapsed)


class TrainingState:
    """Network, averaged network and optimiser: all that a step changes."""

    def __init__(
        self, plan: TrainPlan, spec: ModelSpec, device: torch.device, counts: list[int]
    ) -> None:
        self.plan, self.spec, self.device = plan, spec, device
        self.network: nn.Module = build_network(plan.network).to(device)
        # A quarter faster on CPUs, more on GPUs in half precision.
        self.network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._same_size = SameSize(self.network, plan.network)
        self.averaged = AveragedWeights(self.network, plan.ema)
        self.optimiser = make_optimiser(
            self.network,
            plan.optimiser,
            rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
            momentum=plan.momentum,
            encoder_rate=plan.encoder_rate,
        )
        self.schedule = Schedule(plan.schedule)
        self.generator = torch.Generator().manual_seed(plan.seed)
        self.background = background_index(spec.classes, counts)
        flagged = None if spec.classes.background is None else self.background
        self.weights = class_weights(
            counts,
            plan.class_weights,
            background=flagged,
            background_weight=plan.loss.background_weight,
        ).to(device)
        self.dtype = autocast_dtype(device, plan.precision)
        self.step = 0
        self.rate = 0.0

    def advance(self, batch: Batch, progress: float) -> float:
        """Take one step; ``progress`` runs from 0 to 1 over the training."""
        self._set_rate(progress)
        image, bank, labels = augment_batch(
            batch.image.to(self.device),  # (N, C, Z, Y, X)
            None if batch.features is None else batch.features.to(self.device),
            batch.labels.to(self.device),  # (N, Z, Y, X), -1: not annotated
            self.plan.augment,
            spacing=self.spec.spacing,
            generator=self.generator,
            margin=voxel_margin(self.plan),
        )
        inputs = network_input(
            image, bank, self.plan.working_factor, self.plan.subvoxel, self.plan.neighbours
        )
        inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
        enabled = self.dtype is not None
        with torch.autocast(self.device.type, dtype=self.dtype or torch.bfloat16, enabled=enabled):
            raw = self._same_size(inputs if enabled else inputs.float())  # (N, K', z, y, x)
        levels = raw if isinstance(raw, list) else [raw]  # several with deep supervision
        logits = [spec_logits(level.float(), self.spec) for level in levels]  # (N, K, Z, Y, X)
        loss = masked_loss(
            logits,
            within_margin(labels, self.plan),
            self.plan.loss,
            weights=self.weights,
            background=self.background,
        )
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 12.0)
        self.optimiser.step()
        self.step += 1
        self.averaged.update(self.network, self.step)
        value = float(loss.detach())
        self.schedule.observe(value, progress)
        return value

    def _set_rate(self, progress: float) -> None:
        self.rate = self.plan.learning_rate * self.schedule.factor(progress, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * group["scale"]


def background_index(classes: ClassTable, counts: Sequence[int]) -> int:
    """Class between the objects: the flagged one, else the least painted (membranes are thin)."""
    if classes.background is not None:
        return classes.values.index(classes.background)
    return min(range(len(counts)), key=lambda i: counts[i])


def voxel_margin(plan: TrainPlan) -> Triple:
    """Voxels (Z, Y, X) at the border of a patch where nothing is learned."""
    z, y, x = (m * f for m, f in zip(plan.margin, plan.working_factor, strict=True))
    return z, y, x


def within_margin(labels: torch.Tensor, plan: TrainPlan) -> torch.Tensor:
    """Labels (N, Z, Y, X) where the network gives logits; -1 in the margin of valid ones."""
    if plan.margin == (0, 0, 0):
        return labels
    inner = tuple(
        slice(m, n - m) for m, n in zip(voxel_margin(plan), labels.shape[1:], strict=True)
    )
    kept = torch.full_like(labels, -1)
    kept[(slice(None), *inner)] = labels[(slice(None), *inner)]
    return kept


class Clock:
    """How much of the budget is used, in seconds or in steps."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._first_step: float | None = None
        self._budget_s: float | None = None
        self._steps: int | None = None

    def expect(self, plan: TrainPlan) -> None:
        """Take over the budget; from now on steps are being done."""
        self._budget_s, self._steps = plan.budget_s, plan.steps
        self._first_step = self.elapsed

    @property
    def elapsed(self) -> float:
        """Seconds since the budget began."""
        return time.monotonic() - self._started

    def over(self, step: int) -> bool:
        """Whether the next step would leave the budget."""
        if self._steps is not None:
            return step >= self._steps
        return self.elapsed + self._step_s(step) > (self._budget_s or 0) - _SAVE_S and step > 0

    def progress(self, step: int) -> float:
        """Share of the training that is done, 0 to 1."""
        if self._steps is not None:
            return step / self._steps
        first = self._first_step or 0.0
        return min(1.0, (self.elapsed - first) / max((self._budget_s or 0) - _SAVE_S - first, 1e-3))

    def report(self, step: int) -> Progress:
        """Progress with the time that is left."""
        done = self.progress(step)
        spent = self.elapsed - (self._first_step or 0.0)
        left = spent * (1 - done) / done if done > 0 else None
        return Progress(done=done, total=1.0, unit="training", eta_s=left)

    def _step_s(self, step: int) -> float:
        return (self.elapsed - (self._first_step or 0.0)) / step if step else 0.0


def _painted(sources: Sequence[TrainingSource], settings: TrainSettings) -> dict[int, int]:
    total: dict[int, int] = {}
    for source in sources:
        for z, row in source.annotations.slice_counts().items():
            if z in settings.held_out:
                continue
            for value, n in row.items():
                total[value] = total.get(value, 0) + n
    return total


def _read_crops(
    sources: Sequence[TrainingSource],
    intensities: Sequence[Intensity],
    plan: TrainPlan,
    table: ClassTable,
    held_out: Sequence[int],
) -> Iterator[Crop]:
    depth, *sides = plan.patch
    reach = (depth + 2 * plan.neighbours, sides[0], sides[1])
    z, y, x = (p * f for p, f in zip(reach, plan.working_factor, strict=True))
    for number, (source, intensity) in enumerate(zip(sources, intensities, strict=True)):
        boxes = [
            b
            for b in source.annotations.painted_boxes()
            if not all(i in held_out for i in range(b[0].start, b[0].stop))
        ]
        regions = training_regions(boxes, source.volume.shape, (z, y, x), plan.working_factor)
        for region in regions:
            yield read_crop(
                source.volume, source.annotations, region, intensity=intensity, classes=table,
                factor=plan.working_factor, features=plan.features, patch=reach,
                held_out=held_out, source=number,
            )  # fmt: skip
