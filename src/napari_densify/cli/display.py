"""Events as a person reads them: a bar with an ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from napari_densify.core import events as say
from napari_densify.core.durations import say_duration

__all__ = ["Display"]

_PLAIN_EVERY_S = 10.0
_PLAIN_WIDTH = 120


class Display:
    """Shows the events of a job; a context manager, so that the bar is always taken down.

    Parameters
    ----------
    show_result
        Shows the result of the job on the console.
    console
        Where to show; stdout by default.
    """

    def __init__(
        self,
        show_result: Callable[[Console, dict[str, Any]], None],
        *,
        console: Console | None = None,
    ) -> None:
        self.console = console or make_console()
        self._show_result = show_result
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[eta]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None, eta="")
        self._loss = ""
        self._last_line = -_PLAIN_EVERY_S

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, event: say.Event) -> None:
        """Show one event; what concerns the viewer alone is passed over."""
        match event:
            case say.Progress():
                self._show_progress(event)
            case say.StepDone():
                self._loss = f"step {event.step}, loss {event.loss:.3f}"
            case say.Plan():
                self._line(event.explanation)
                self._line(event.cost.describe() if event.cost else "")
            case say.HeldOutScore():
                self._line(_say_score(event))
            case say.ModelSaved():
                self._loss = ""
                self._line(
                    f"model saved after {event.steps} steps, "
                    f"{say_duration(event.elapsed_s)}: {event.path}"
                )
            case say.Notice():
                head = "warning: " if event.level == "warning" else ""
                self._line(head + event.message)
            case say.Log():
                self._line(event.message)
            case say.Done():
                self._bar.stop()
                if event.stopped and not event.result:
                    self._line("stopped before there was anything to write")
                else:
                    self._show_result(self.console, event.result)

    def _line(self, text: str) -> None:
        if text:
            self.console.print(escape(text), highlight=False, soft_wrap=True)

    def _show_progress(self, event: say.Progress) -> None:
        text = ", ".join(filter(None, (event.message or event.unit, self._loss)))
        left = "" if event.eta_s is None else f"{say_duration(event.eta_s)} left"
        if self.console.is_terminal:
            self._bar.update(
                self._task,
                description=escape(text),
                total=event.total,
                completed=event.done,
                eta=left,
            )
        elif self._is_time(event):
            share = f"{100 * event.done / event.total:3.0f} %"
            self._line("  ".join(filter(None, (share, text, left))))

    def _is_time(self, event: say.Progress) -> bool:
        """Plain lines come now and then, and at the end."""
        now = time.monotonic()
        if now - self._last_line < _PLAIN_EVERY_S and event.done < event.total:
            return False
        self._last_line = now
        return True


def make_console() -> Console:
    """Console on stdout; wide enough for whole tables where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


def _say_score(event: say.HeldOutScore) -> str:
    classes = ", ".join(f"{value}: {dice:.3f}" for value, dice in sorted(event.dice.items()))
    sure = "too little paint for an interval"
    if event.interval is not None:
        sure = f"90 %: {event.interval[0]:.2f} to {event.interval[1]:.2f}"
    return f"held-out Dice {event.mean_dice:.3f} ({sure}; {classes}) at step {event.step}"
