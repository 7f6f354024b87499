"""What a training says of itself before its first step, in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from napari_densify.core.events import Notice
from napari_densify.core.labels import ClassTable
from napari_densify.training.paint import PaintReader
from napari_densify.training.plan import TrainPlan

__all__ = ["ERASED", "READING", "TOO_LARGE", "say_method", "say_unknown"]

READING = "reading painted slices"
TOO_LARGE = (
    "this may need more memory than is free: if it runs out, the batch is halved; a smaller "
    "patch or base_channels needs less"
)
ERASED = (
    "fewer than two classes are painted now: training goes on with the paint as it was before, "
    "until there is more"
)
_GUIDED = (
    "strokes cover less than a tenth of their slices: a random forest, learned from them, guides "
    "the network between them (the setting guidance=0 turns it off)"
)
_ALIKE = (
    "between strokes, neighbours of like grey value are taken to be of one class, where nothing "
    "else is known (the setting affinity=0 turns it off)"
)
CORRECTED = (
    "strokes show some classes more often than they are: how often they are is estimated and "
    "corrected for (the setting frequencies=false turns it off)"
)
_REMEMBERED = (
    "painted slices predict each other: their interpolation is weighed in when this volume is "
    "predicted"
)
_NOTHING_SCORED = "none of the held-out slices is painted: there is nothing to score"
_NOTHING_HELD_OUT = (
    "the best weights are chosen on held-out slices; none with paint are held out, so the last "
    "ones are saved"
)


def say_unknown(painted: Iterable[int], learned: ClassTable, named: ClassTable) -> Iterator[Notice]:
    """Warn of classes painted on the way, which a network that has begun doesn't know."""
    for value in sorted({*painted} - {*learned.values}):
        message = f"{named.name(value)} was not painted when this training began, so it is not "
        yield Notice(level="warning", message=f"{message}learned: train again afterwards")


def say_method(
    plan: TrainPlan,
    paint: PaintReader,
    held_out: Sequence[int],
    scored: Sequence[int],
    *,
    remembers: bool,
) -> Iterator[Notice]:
    """Say what is done beside learning from the paint.

    Parameters
    ----------
    plan
        The training.
    paint
        What was read of the paint.
    held_out
        Slices that are not trained on.
    scored
        Those of them that are painted.
    remembers
        Whether the paint is stored with the model.
    """
    said = (
        (paint.guided, _GUIDED),
        (plan.affinity > 0 and paint.sparse, _ALIKE),
        (paint.frequencies is not None, CORRECTED),
        (bool(held_out) and not scored, _NOTHING_SCORED),
        (plan.keep == "best" and not scored, _NOTHING_HELD_OUT),
        (remembers, _REMEMBERED),
    )
    for is_so, message in said:
        if is_so:
            yield Notice(message=message)
