"""What to do next, in one line that is always on screen: a pure function of the situation."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Situation", "say_next"]


@dataclass(frozen=True)
class Situation:
    """How far the user is.

    Attributes
    ----------
    image
        Whether an image is chosen that a project can be made of.
    opened
        Whether a project is open.
    working
        Status of the job under way.
    hindrance
        Why strokes would not become paint.
    advice
        What to paint before a training makes sense.
    scored
        Whether painted slices are held out.
    rounds
        How many trainings there were.
    predicted
        Whether the chosen round has labelled the volume.
    """

    image: bool = False
    opened: bool = False
    working: str = ""
    hindrance: str = ""
    advice: str = ""
    scored: bool = False
    rounds: int = 0
    predicted: bool = False


def say_next(now: Situation) -> str:
    """Say the one thing to do next, or what is being done."""
    if not now.opened:
        return "Next: " + (
            "check the voxel size, then press Create project."
            if now.image
            else "open a file, drop one on the viewer, or take a sample."
        )
    if now.working or now.hindrance:
        return now.working or now.hindrance
    if now.advice:
        return now.advice
    if not now.rounds:
        hold = "" if now.scored else " Hold out a painted slice before (key H) to get a score."
        return f"Next: press Train.{hold}"
    if not now.predicted:
        return "Next: press Predict to label the whole volume, or paint on and train again."
    return (
        "Next: look through the slices. Where it is wrong, paint a correction and train again; "
        "where it is right, Save labels… (step 4) writes a file."
    )
