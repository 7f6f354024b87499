"""The training loop, in the order things happen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from napari_densify.core import events as say
from napari_densify.core.blocks import Region, bounds_of
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError, Interrupted
from napari_densify.core.files import require_room
from napari_densify.core.labels import ClassTable, require_trainable
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import Intensity, measure_intensity
from napari_densify.core.settings import TrainSettings
from napari_densify.inference.allocator import keep_freed_memory
from napari_densify.inference.device import select_device
from napari_densify.inference.predictor import Predictor
from napari_densify.networks import build_network, load_start, save_model
from napari_densify.training import notices
from napari_densify.training.clock import Clock
from napari_densify.training.companions import Companions
from napari_densify.training.correction import FrequencyCorrection
from napari_densify.training.cost import estimate_cost, painted_slices
from napari_densify.training.facts import Facts, flat_notices, gather_facts
from napari_densify.training.gauge import HeldOutGauge
from napari_densify.training.live import LivePreview
from napari_densify.training.members import plan_members
from napari_densify.training.paint import PaintReader, TrainingSource, count_painted, name_paint
from napari_densify.training.plan import resolve_plan
from napari_densify.training.rehearsal import LowPrecision, Rehearsal, begin_rehearsal
from napari_densify.training.remember import LearnedSlices
from napari_densify.training.rescue import Rescue
from napari_densify.training.resolution import is_open, needs_voxels
from napari_densify.training.schedules import load_ahead
from napari_densify.training.snapshot import (
    load_snapshot,
    save_snapshot,
    snapshot_path,
    stored_precision,
)
from napari_densify.training.spec import spec_from_plan, training_record
from napari_densify.training.state import TrainingState
from napari_densify.training.team import Team, local_device
from napari_densify.training.transfer import differences
from napari_densify.training.turned import turn_sources

# More than the description of any model takes.
_HEADER_BYTES = 100_000

# Share of the budget that it may take to learn whether this CPU is right in low precision.
_PATIENCE = 0.1
# What is needed to tell classes apart: with less paint a training goes on with what was there.
_FEWEST_CLASSES = 2
# A live training is kept so often, to be taken up again if the engine dies.
_KEEP_EVERY_S = 15.0

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
) -> Iterator[say.Event]:
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
    Interrupted
        If it is stopped before its first step.
    """
    extras = extras or Extras()
    control = control or JobControl()
    clock = Clock(started if started is not None else time.monotonic(), control)
    run = _Run(sources, settings, clock, control, extras)
    try:
        for event in run.events(output, classes):
            if run.team.leads:
                yield event
    finally:
        run.close()


class _Run:
    """One training; its methods are called in the order in which they stand here."""

    def __init__(
        self,
        sources: Sequence[TrainingSource],
        settings: TrainSettings,
        clock: Clock,
        control: JobControl,
        extras: Extras,
    ) -> None:
        self._sources, self._settings = list(sources), settings
        self._clock, self._control, self._extras = clock, control, extras
        self._init = load_start(extras.init) if extras.init else None
        self._device = select_device(local_device(settings.device))
        self.team = Team.join(self._device)
        self._agreed = partial(self.team.agree, device=self._device)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        keep_freed_memory()
        self._rehearsal: Rehearsal | None = None
        self._put_off: list[Region] = []  # painted over, but not learned

    def close(self) -> None:
        """End what may still be going on beside the training."""
        if self._rehearsal is not None:
            self._rehearsal.end()

    def events(self, output: Path, classes: ClassTable | None) -> Iterator[say.Event]:
        """Do everything, in the order of the methods below."""
        yield from self.prepare(classes)
        yield from self.begin(output)
        yield from self.steps()
        if not self._state.step:
            raise Interrupted("stopped before the first step")  # nothing is learned to be saved
        if self.team.leads:
            yield from self.save(output)

    def prepare(self, classes: ClassTable | None) -> Iterator[say.Event]:
        """Check the paint, resolve the plan, read what lies around paint."""
        held_out = self._settings.held_out
        self._counts = count_painted(self._sources, held_out)
        require_trainable(self._counts, classes, where=name_paint(self._sources))
        load_ahead()
        self._classes = classes or ClassTable.from_values(self._counts)
        self._table = self._classes.only(self._counts)
        volumes = [s.volume for s in self._sources]
        self._intensities = [measure_intensity(v) for v in volumes]
        yield from flat_notices(volumes, self._intensities)
        known = self._init.spec if self._init else None
        self._learned = LearnedSlices(self._sources, held_out, known)
        facts = gather_facts(volumes, self._counts, self._device.type)
        facts = facts.model_copy(update={"fine": self._needs_voxels(facts)})
        plan = self._plan = resolve_plan(self._settings, facts, known)
        painted = painted_slices([s.annotations for s in self._sources])
        cost = estimate_cost(plan, facts, painted, device=self._device)
        yield say.Plan(explanation=plan.explanation, plan=plan.model_dump(mode="json"), cost=cost)
        if not cost.fits:
            yield say.Notice(level="warning", message=notices.TOO_LARGE)
        self._rehearsal = begin_rehearsal(plan, self._device)
        views, intensities = self._views()
        self._paint = PaintReader(views, intensities, plan, self._table, held_out)
        for done, total in self._paint.read():
            yield say.Progress(done=done, total=total, unit="crops", message=notices.READING)
        yield from self._show_first()
        self._paint.teach()
        self._sampler = self._paint.sampler(seed=plan.seed)
        self._gauge = HeldOutGauge(self._sources, self._intensities, held_out, plan.steps)
        self._companions = Companions(plan, self._table, held_out)
        self._companions.learn(self._paint, views[: len(self._sources)])
        scored, remembers = self._gauge.slices, bool(self._companions.remembers)
        yield from notices.say_method(plan, self._paint, held_out, scored, remembers=remembers)

    def _needs_voxels(self, facts: Facts) -> bool:
        """Look at the paint whether the full resolution pays, where that is open."""
        wished, first = self._settings, (self._sources[0], self._intensities[0])
        if self._init or not is_open(wished, facts.shape):
            return False
        return needs_voxels(*first, self._table, wished.held_out)

    def _show_first(self) -> Iterator[say.Event]:
        """Let a quick forest answer what is on screen, before anything that takes long."""
        self._preview: LivePreview | None = None
        if self._extras.preview is None:
            return
        first, intensity = self._sources[0], self._intensities[0]
        held_out, spec = self._settings.held_out, self._spec()
        self._preview = LivePreview(first, intensity, self._extras.preview, held_out)
        self._preview.learn(self._paint.crops, spec, 0, fresh=False)
        untrained = Predictor(
            build_network(spec.network).eval(), spec, first.volume,
            device=self._device, intensity=intensity,
        )  # fmt: skip
        yield from self._preview.first(spec, untrained, self._control)

    def begin(self, output: Path) -> Iterator[say.Event]:
        """Build the network, or take it over from an earlier model or an unfinished training."""
        counts = [self._counts[v] for v in self._table.values]
        before = stored_precision(snapshot_path(output)) if self._extras.resume else None
        self._low = LowPrecision(self._rehearsal, before=before, counted=bool(self._plan.steps))
        spec = self._spec()
        live = self._extras.preview is not None
        self._members = plan_members(self._plan, sum(counts), live=live)
        self._state = TrainingState(
            self._plan, spec, self._device, counts, init=self._init, team=self.team
        )
        shown = live or bool(self._settings.held_out)
        self._correction = FrequencyCorrection(self._sources, self._intensities, shown=shown)
        self._refer()
        # Better told now than after the training.
        weights = self._state.network.state_dict()
        tensors = [*weights.values(), *self._companions.tensors.values()]
        size = sum(t.numel() * t.element_size() for t in tensors)
        require_room(output.parent, size + _HEADER_BYTES, what=str(output))
        if self._init:
            for message in differences(self._init, spec, self._state.fresh):
                yield say.Notice(level="warning", message=message)
        if self._low.begins(wait_s=_PATIENCE * (self._plan.budget_s or 0.0)):
            self._state.go_low()
        self._state.forest = self._companions.forest
        self._snapshot = snapshot_path(output)
        self._clock_state: dict[str, float] | None = None
        if self._extras.resume:
            yield from self._resume()

    def _resume(self) -> Iterator[say.Event]:
        """Take up an unfinished training; a live one begins afresh where that can't be done."""
        try:
            self._clock_state = load_snapshot(self._snapshot, self._state, self._sampler)
        except InputError as error:
            if self._extras.preview is None:
                raise
            yield say.Notice(level="warning", message=f"{error}; training afresh")
        else:
            yield say.Notice(message=f"taken up again at step {self._state.step}")

    def steps(self) -> Iterator[say.Event]:
        """Train until the budget is used, or no more is wanted; look up between two steps."""
        state, clock, plan = self._state, self._clock, self._plan
        clock.expect(plan)
        if self._clock_state:
            clock.restore(self._clock_state)
        rescue, kept = Rescue(state), clock.elapsed
        while not self._agreed(clock.over(state.step) or self._control.over):
            if self._low.begins():
                state.go_low()
            loss = rescue.step(self._sampler, self._member_progress())
            for message in rescue.take_notices():
                yield say.Notice(level="warning", message=message)
            yield say.StepDone(
                step=state.step, loss=loss, learning_rate=state.rate, elapsed_s=clock.elapsed
            )
            yield clock.report(state.step)
            if changed := self._control.take_changed():
                yield from self._take_up(changed)
            if self._correction.due(state.step):
                self._correction.correct(state)
                clock.reserve(self._correction.seconds * self._members.count)
            if self._agreed(not self._looked_at() and self._gauge.due(clock.elapsed, state.step)):
                score = self._gauge.score(state, clock.elapsed)
                state.judge(score, state.progress)
                yield score
            if self._preview:
                yield from self._preview.answer(state, self._control)
                if clock.elapsed - kept > _KEEP_EVERY_S:
                    kept = clock.elapsed
                    save_snapshot(self._snapshot, state, self._sampler, clock.state())

    def _member_progress(self) -> float:
        """Share of its time that the network in training has had; a new one where it is over."""
        progress = self._agreed(self._clock.progress(self._state.step))
        self._members.observe(self._state.step, progress)
        index, own = self._members.place(progress)
        if index > len(self._state.finished):
            self._state.begin_member()
        return own

    def _refer(self) -> None:
        """Let batch statistics and class frequencies be those of the paint as it is now."""
        plan, state = self._plan, self._state
        state.sparse = self._paint.sparse
        state.refer(self._paint.sampler(seed=plan.seed + 1))
        found = self._paint.frequencies
        sampler = None if found is None else self._paint.sampler(seed=plan.seed + 2)
        self._correction.refer(sampler, found, state)

    def _looked_at(self) -> bool:
        """Whether somebody waits for a preview: the score of a timed training can wait."""
        timed = self._plan.steps is None
        return timed and self._preview is not None and self._preview.waiting(self._control)

    def _take_up(self, changed: Sequence[Region]) -> Iterator[say.Event]:
        """Learn from what was painted meanwhile, from the newest most."""
        plan, state = self._plan, self._state
        changed, self._put_off = [*self._put_off, *changed], []
        counts = count_painted(self._sources, self._settings.held_out)
        if sum(value in counts for value in self._table.values) < _FEWEST_CLASSES:
            self._put_off = changed
            yield say.Notice(level="warning", message=notices.ERASED)
            return
        yield from notices.say_unknown(counts.keys() - self._counts, self._table, self._classes)
        self._counts = counts
        self._gauge.look()
        self._paint.replace_sources(*self._views())
        before = self._paint.frequencies
        self._paint.refresh(changed)
        if before is None and self._paint.frequencies is not None:
            yield say.Notice(message=notices.CORRECTED)
        self._learned.look()
        self._companions.outdate()
        self._sampler = self._paint.sampler(seed=plan.seed + state.step, newest=changed)
        self._refer()
        if self._preview:
            self._preview.learn(self._paint.crops, state.spec, state.step, fresh=True)
        yield say.StrokesTaken(step=state.step, regions=[bounds_of(region) for region in changed])

    def save(self, output: Path) -> Iterator[say.Event]:
        """Write the model; a stopped training can be taken up again."""
        state, clock = self._state, self._clock
        straight = self._views()[0][: len(self._sources)]
        self._companions.finish(self._paint, straight, state.step)
        state.forest = self._companions.forest
        self._correction.correct(state, last=True)
        record = training_record(
            state, self._settings, seconds=clock.elapsed, learned=self._learned.record
        )
        weights, members = state.trained()
        network = state.spec.network.model_copy(update={"members": members})
        saved = {"training": record, "remembers": self._companions.remembers, "network": network}
        saved["mirrors"] = max(1, state.spec.mirrors // members)  # each one sees some views
        spec = state.spec.model_copy(update=saved)
        save_model(output, weights, spec, self._companions.tensors)
        if self._control.stop and self._plan.steps is not None:
            save_snapshot(snapshot_path(output), state, self._sampler)
        else:
            snapshot_path(output).unlink(missing_ok=True)
        if state.best.score is not None:
            yield state.best.score
        elif self._gauge.slices:
            yield self._gauge.score(state, clock.elapsed)
        yield say.ModelSaved(path=str(output), steps=state.step, elapsed_s=clock.elapsed)

    def _views(self) -> tuple[list[TrainingSource], list[Intensity]]:
        """Volumes as they are, and turned where planes along other axes are painted."""
        if not self._plan.turns:
            return self._sources, self._intensities
        views, origins = turn_sources(self._sources, self._settings.held_out)
        return views, [self._intensities[i] for i in origins]

    def _spec(self) -> ModelSpec:
        first = self._sources[0].volume
        return spec_from_plan(
            self._plan,
            classes=self._table,
            spacing=first.spacing,
            spacing_known=first.spacing_known,
            channels=self._settings.channels,
            image_channels=first.channels,
            intensity=self._intensities[0],
            feature_offset=self._paint.feature_offset,
            feature_gain=self._paint.feature_gain,
        )
