"""The training loop, in the order things happen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_densify.core.control import JobControl
from napari_densify.core.events import Event, ModelSaved, Notice, Plan, Progress, StepDone
from napari_densify.core.labels import ClassTable, require_trainable
from napari_densify.core.normalisation import measure_intensity
from napari_densify.core.settings import TrainSettings
from napari_densify.inference.allocator import keep_freed_memory
from napari_densify.inference.device import select_device
from napari_densify.networks import load_model, save_model
from napari_densify.training.clock import Clock
from napari_densify.training.facts import gather_facts
from napari_densify.training.live import HeldOutGauge, LivePreview
from napari_densify.training.paint import PaintReader, TrainingSource, count_painted
from napari_densify.training.plan import TrainPlan, resolve_plan, spec_from_plan
from napari_densify.training.remember import remember_paint
from napari_densify.training.sampler import PatchSampler
from napari_densify.training.snapshot import load_snapshot, save_snapshot, snapshot_path
from napari_densify.training.state import TrainingState
from napari_densify.training.transfer import differences

__all__ = ["Extras", "TrainingSource", "train"]


@dataclass(frozen=True)
class Extras:
    """What only some trainings have.

    Attributes
    ----------
    init
        Model file to start from.
    preview
        Zarr array for the slice on screen, predicted while training goes on.
    resume
        Take up the training of the same output that was stopped before its end.
    """

    init: Path | None = None
    preview: Path | None = None
    resume: bool = False


def train(
    sources: Sequence[TrainingSource],
    settings: TrainSettings,
    *,
    output: Path,
    classes: ClassTable | None = None,
    control: JobControl | None = None,
    started: float | None = None,
    extras: Extras | None = None,
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
    extras
        Model to start from, preview to be kept up.

    Yields
    ------
    Events; the last one is ``ModelSaved``.

    Raises
    ------
    InputError
        If nothing can be learned from the paint.
    """
    control, extras = control or JobControl(), extras or Extras()
    clock = Clock(started if started is not None else time.monotonic())
    counts = count_painted(sources, settings.held_out)
    require_trainable(counts, classes)
    table = (classes or ClassTable.from_values(counts)).only(counts)
    device = select_device(settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    keep_freed_memory()

    volumes = [s.volume for s in sources]
    intensities = [measure_intensity(v) for v in volumes]
    init = load_model(extras.init) if extras.init else None
    known = init.spec if init else None
    plan = resolve_plan(settings, gather_facts(volumes, counts, device.type), known)
    yield Plan(explanation=plan.explanation, plan=plan.model_dump(mode="json"))

    paint = PaintReader(sources, intensities, plan, table, settings.held_out)
    for done, total in paint.read():
        yield Progress(done=done, total=total, unit="crops", message="reading painted slices")
    sampler = make_sampler(paint, plan, len(table))
    spec = spec_from_plan(
        plan,
        classes=table,
        spacing=volumes[0].spacing,
        spacing_known=volumes[0].spacing_known,
        channels=settings.channels,
        image_channels=volumes[0].channels,
        feature_offset=paint.feature_offset,
        feature_gain=paint.feature_gain,
    )
    state = TrainingState(plan, spec, device, [counts[v] for v in table.values], init=init)
    for message in differences(init, spec, state.fresh) if init else ():
        yield Notice(level="warning", message=message)
    gauge = HeldOutGauge(sources[0], intensities[0], settings.held_out)
    preview = LivePreview(sources[0], intensities[0], extras.preview) if extras.preview else None
    remembers, extra_tensors = remember_paint(sources, table, settings.held_out)

    unfinished = snapshot_path(output)
    if extras.resume:
        load_snapshot(unfinished, state, sampler)
    clock.expect(plan)
    while not clock.over(state.step) and not control.stop:
        loss = state.advance(sampler.draw(plan.batch), clock.progress(state.step))
        yield StepDone(
            step=state.step, loss=loss, learning_rate=state.rate, elapsed_s=clock.elapsed
        )
        yield clock.report(state.step)
        if changed := control.take_changed():
            paint.refresh(changed)
            sampler = make_sampler(paint, plan, len(table), seed=plan.seed + state.step)
        if gauge.due(clock.elapsed):
            yield gauge.score(state, clock.elapsed)
        if preview:
            yield from preview.answer(state, control)

    record = {
        "plan": plan.model_dump(mode="json"), "settings": settings.model_dump(mode="json"),
        "steps": state.step, "seconds": round(clock.elapsed, 1), "torch": torch.__version__,
    }  # fmt: skip
    described = spec.model_copy(update={"training": record, "remembers": remembers})
    save_model(output, state.averaged.state_dict(), described, extra_tensors)
    if control.stop and plan.steps is not None:
        save_snapshot(unfinished, state, sampler)
    else:
        unfinished.unlink(missing_ok=True)
    if gauge.slices:
        yield gauge.score(state, clock.elapsed)
    yield ModelSaved(path=str(output), steps=state.step, elapsed_s=clock.elapsed)


def make_sampler(
    paint: PaintReader, plan: TrainPlan, classes: int, *, seed: int | None = None
) -> PatchSampler:
    """Sample patches from all that has been read."""
    return PatchSampler(
        paint.crops,
        plan.patch,
        plan.working_factor,
        classes=classes,
        seed=plan.seed if seed is None else seed,
        mirror=plan.augment.flips,
        margin=plan.margin,
        reach=plan.slice_reach,
    )
