"""Jobs that the buttons ask for: sent to the engine, paused, stopped, followed by the next."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from qtpy.QtCore import QObject, QTimer

from napari_densify.annotations import sum_slices
from napari_densify.core import requests as ask
from napari_densify.core.errors import InputError
from napari_densify.core.events import Done, Failed
from napari_densify.plugin import asking
from napari_densify.plugin.canvas import Canvas
from napari_densify.plugin.engine_client import EngineClient
from napari_densify.plugin.jobs import Job, TrainingLog
from napari_densify.plugin.leave_out import LeaveOut
from napari_densify.plugin.session import Session
from napari_densify.project import Round

__all__ = ["JobRunner"]


class JobRunner(QObject):
    """Sends a session's jobs to the engine; base of `Workbench`."""

    session: Session
    client: EngineClient
    canvas: Canvas

    def __init__(self) -> None:
        super().__init__()
        self._ending = self._tried_again = self._all_paint = False

    def submit(self, request: ask.JobRequest) -> None:
        """Send a job to the engine."""
        job = self.client.submit(request)
        self.session.begin(Job(id=job, kind=request.kind))

    def train(self, *, all_paint: bool = False) -> None:
        """Train a new round.

        Parameters
        ----------
        all_paint
            On held-out slices too: the last round, when nothing is to be scored any more.

        Raises
        ------
        InputError
            With the reason if nothing can be learned.
        """
        session = self.session
        asking.require_training(session, all_paint=all_paint)
        session.paint.flush()
        self._tried_again = False
        self._train_into(session.require_project().new_round(), all_paint)

    def _train_into(self, made: Round, all_paint: bool, *, resume: bool = False) -> None:
        session = self.session
        slices = session.slice_counts()
        counts = sum_slices(slices, without=() if all_paint else session.held_out)
        number = len(slices) - (0 if all_paint else len(session.painted_held_out()))
        request = asking.train_request(session, made, all_paint=all_paint)
        job = self.client.submit(request.model_copy(update={"resume": resume}))
        self._all_paint = all_paint
        log = TrainingLog(slices=number, voxels=sum(counts.values()))
        session.begin_training(Job(id=job, kind="train"), made, log)
        if session.live:
            self.canvas.announce_view()

    def _take_up_again(self) -> None:
        """Go on with a training whose engine died, once; its strokes are all on disk."""
        made, self.session.unfinished = self.session.unfinished, None
        if made is None:
            return
        if self._tried_again or self._ending or self.session.project is None:
            with suppress(InputError):  # a folder without a model is no round
                made.delete()
            return
        self._tried_again = True
        self._say("info", "The training is taken up again in a new engine")
        kept = self.session.live  # only then is the state of the training kept on the way
        QTimer.singleShot(0, lambda: self._train_into(made, self._all_paint, resume=kept))

    def leave_slices_out(self) -> None:
        """Train once without each painted slice, and score it there.

        Raises
        ------
        InputError
            If fewer than two slices are painted, or nothing can be learned.
        """
        session = self.session
        asking.require_training(session, all_paint=True)
        slices = tuple(sorted(session.slice_counts()))
        if len(slices) < 2:
            raise InputError("only one slice is painted", mend="paint a second one")
        session.left_out = LeaveOut(slices)
        session.paint.flush()
        self._leave_next_out()

    def _leave_next_out(self) -> None:
        z = self.session.left_out.next
        if z is not None and self.session.project is not None:
            job = self.client.submit(asking.leave_out_request(self.session, z))
            self.session.begin(Job(id=job, kind="leave_out", message=f"without slice {z}"))

    def _left_out(self, job: Job, event: Done | Failed) -> None:
        """Go on with the next slice, unless it was stopped, closed, or the engine broke down."""
        session = self.session
        if not getattr(event, "stopped", False):
            session.left_out.finish()
        session.training_changed.emit()
        ended = getattr(event, "stopped", getattr(event, "fault", False))
        if ended or session.left_out.next is None or not session.owns(job):
            (Path(job.project) / asking.SCRATCH).unlink(missing_ok=True)
            self._say("info", session.left_out.describe() or "Leaving slices out: stopped")
        else:
            QTimer.singleShot(0, self._leave_next_out)

    def draw_patches(self, seed: int) -> None:
        """Let patches be drawn as a training would see them.

        Raises
        ------
        InputError
            With the reason if nothing could be trained.
        """
        asking.require_training(self.session)
        self.session.paint.flush()
        self.submit(asking.augment_request(self.session, seed))

    def predict(self) -> None:
        """Predict with the chosen round, the slice on screen first."""
        self.submit(asking.predict_request(self.session, self.canvas.visible_region()))

    def compare(
        self,
        methods: Sequence[str] = ("all",),
        truth: str = "",
        *,
        zero_is_background: bool = False,
    ) -> None:
        """Score classical methods beside the chosen round, on held-out paint or on a truth."""
        request = asking.compare_request(
            self.session, methods, truth, zero_is_background=zero_is_background
        )
        self.session.paint.flush()
        self.submit(request)

    def suggest(self) -> None:
        """Ask for the slices that are worth painting next."""
        request = asking.suggest_request(self.session)
        self.session.paint.flush()
        self.submit(request)

    def pause(self) -> None:
        """Hold the job still."""
        self.client.tell(ask.Pause())
        self.session.change_job(paused=True)

    def resume(self) -> None:
        """Let the paused job go on."""
        self.client.tell(ask.Resume())
        self.session.change_job(paused=False)

    def stop(self) -> None:
        """Finish the job now and keep what was done."""
        if self.session.job is not None:
            self.client.tell(ask.Cancel(job=self.session.job.id))
            self.session.change_job(stopping=True, paused=False)

    def free_engine(self) -> None:
        """End the engine: its memory, the GPU's too, is given back."""
        self.client.free()

    def _job_ended(self, job: Job, event: Done | Failed) -> None:
        if job.kind == "suggest" and isinstance(event, Done) and self.session.suggested:
            self.canvas.first_suggestion()
        if job.kind == "train":
            self._take_up_again()
        if job.kind == "leave_out":
            self._left_out(job, event)
        if self._ending:
            self._ending = False
            QTimer.singleShot(0, self.client.free)
