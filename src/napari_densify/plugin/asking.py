"""Requests to the engine, built from a session; what is refused says the reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_densify.core import requests as ask
from napari_densify.core.blocks import Region, bounds_of
from napari_densify.core.labels import require_trainable
from napari_densify.core.settings import Settings
from napari_densify.project import Round

if TYPE_CHECKING:
    from napari_densify.plugin.session import Session

__all__ = [
    "PATCHES",
    "SCRATCH",
    "augment_request",
    "box_around",
    "classical_request",
    "compare_request",
    "leave_out_request",
    "predict_request",
    "require_training",
    "suggest_request",
    "train_request",
]

SCRATCH = "leave-out.safetensors"
"""Model of a training that is only scored; written over by the next one."""


PATCHES = "patches.png"
"""Picture of augmented patches, in the project that a remote engine sees too."""


def require_training(session: Session, *, all_paint: bool = False) -> None:
    """Make sure that a training can begin.

    Parameters
    ----------
    session
        Project and paint.
    all_paint
        Held-out slices are trained on too.

    Raises
    ------
    InputError
        With the reason why nothing can be trained.
    """
    session.require_project()
    session.require_idle()
    counts = session.counts() if all_paint else session.training_counts()
    require_trainable(counts, session.classes, where="Train")


def train_request(session: Session, made: Round, *, all_paint: bool = False) -> ask.TrainRequest:
    """Return the request of a training whose model goes into a round.

    Parameters
    ----------
    session
        Project, paint and settings.
    made
        Its new, empty round.
    all_paint
        Train on held-out slices too: the last round, whose score is that of the one before.
    """
    path = str(session.require_project().path)
    held_out = () if all_paint else tuple(sorted(session.held_out))  # painted, or to be yet
    start = session.starting_round()
    return ask.TrainRequest(
        images=(path,),
        annotations=(path,),
        output=str(made.model),
        project=path,
        init=str(start.model) if start else "",
        settings=session.train_settings.model_copy(update={"held_out": held_out}),
        live=session.live,
    )


def leave_out_request(session: Session, z: int) -> ask.TrainRequest:
    """Return the request of a training without one painted slice, to be scored there.

    Parameters
    ----------
    session
        Project, paint and settings.
    z
        The slice; held-out slices are trained on, so that each is left out once.
    """
    path = session.require_project().path
    return ask.TrainRequest(
        images=(str(path),),
        annotations=(str(path),),
        output=str(path / SCRATCH),
        settings=session.train_settings.model_copy(update={"held_out": (z,)}),
    )


def augment_request(session: Session, seed: int) -> ask.AugmentRequest:
    """Return the request of a picture of patches as a training would see them.

    Parameters
    ----------
    session
        Project, paint and settings.
    seed
        Which patches, and how they are changed.
    """
    path = session.require_project().path
    changes = {"held_out": session.painted_held_out(), "seed": seed}
    return ask.AugmentRequest(
        images=(str(path),),
        annotations=(str(path),),
        output=str(path / PATCHES),
        count=4,
        settings=session.train_settings.model_copy(update=changes),
    )


def predict_request(session: Session, view: Region | None = None) -> ask.PredictRequest:
    """Return the request of a prediction by the chosen round, nearest to ``view`` first.

    Raises
    ------
    InputError
        If nothing is trained yet.
    """
    project = session.require_project()
    session.require_idle()
    number = session.chosen_round().number
    extra = {
        role: str(project.prediction_path(number, role)) for role in sorted(session.extra_outputs)
    }
    return ask.PredictRequest(
        images=(str(project.path),),
        model=str(project.round(number).model),
        output=str(project.prediction_path(number)),
        settings=session.predict_settings,
        view=bounds_of(view) if view is not None else None,
        **extra,
    )


def compare_request(
    session: Session, methods: Sequence[str], truth: str = "", *, zero_is_background: bool = False
) -> ask.CompareRequest:
    """Return the request of a comparison of methods, and of the chosen round if there is one.

    Parameters
    ----------
    session
        Project, paint and rounds.
    methods
        Names of classical methods.
    truth
        Dense labels to score on; empty: held-out paint.
    zero_is_background
        0 is background in them, as in a 0/1 mask; otherwise it is not scored.

    Raises
    ------
    InputError
        If nothing can be learned from or scored on.
    """
    project = session.require_project()
    session.require_idle()
    require_trainable(session.counts(), session.classes, where="Compare")
    return ask.CompareRequest(
        image=str(project.path),
        annotations=str(project.path),
        truth=truth,
        zero="background" if zero_is_background else "unscored",
        output=str(project.path / "comparison"),
        methods=tuple(methods),
        models=(str(session.chosen_round().model),) if project.rounds() else (),
        held_out=session.painted_held_out(),
        project_held_out=False,  # they are named, or there are none
    )


def classical_request(
    session: Session,
    method: str,
    parameters: Settings,
    output: str,
    *,
    region: Region | None = None,
    tune: bool = False,
    objects: str = "",
) -> ask.ClassicalRequest:
    """Return the request of one classical method; held-out paint is not learned from.

    Parameters
    ----------
    session
        Project, paint and rounds; the chosen round's probabilities are used if it has some.
    method, parameters
        Method and what differs from its defaults.
    output
        Labels to write.
    region
        Only this part: a preview.
    tune
        Search the parameters first.
    objects
        Ids of the method's regions to write, if any.
    """
    project = session.require_project()
    number = session.chosen_round().number if project.rounds() else 0
    guess = project.prediction_path(number, "probabilities") if number else None
    return ask.ClassicalRequest(
        method=method,
        objects=objects,
        image=str(project.path),
        annotations=str(project.path),
        probabilities=str(guess) if guess is not None and guess.exists() else "",
        held_out=session.painted_held_out(),
        project_held_out=False,  # they are named, or there are none
        output=output,
        parameters={} if tune else parameters.model_dump(mode="json", exclude_defaults=True),
        tune=tune,
        region=None if region is None else bounds_of(region),
    )


def suggest_request(session: Session) -> ask.SuggestRequest:
    """Return the request for slices that are worth painting next.

    Raises
    ------
    InputError
        If nothing is trained yet.
    """
    project = session.require_project()
    session.require_idle()
    path = str(project.path)
    return ask.SuggestRequest(image=path, annotations=path, model=str(session.chosen_round().model))


def box_around(region: Region, middle: Sequence[int], most: int) -> Region:
    """Cut a box of at most about so many voxels out of a region, around a voxel.

    Parameters
    ----------
    region
        Region to cut from.
    middle
        Voxel (Z, Y, X); where it is near the edge, the box moves inwards.
    most
        Voxels; the longest sides are shortened first.
    """
    sides = [s.stop - s.start for s in region]
    while math.prod(sides) > most:
        longest = sides.index(max(sides))
        sides[longest] = -(-sides[longest] * 3 // 4)
    starts = (
        min(max(s.start, int(m) - n // 2), s.stop - n)
        for s, m, n in zip(region, middle, sides, strict=True)
    )
    z, y, x = (slice(start, start + n) for start, n in zip(starts, sides, strict=True))
    return z, y, x
