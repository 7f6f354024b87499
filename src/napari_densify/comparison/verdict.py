"""One sentence that says whether a network is worth it here."""

from __future__ import annotations

from collections.abc import Sequence

from napari_densify.comparison.entries import Entry

__all__ = ["say_verdict"]


def say_verdict(entries: Sequence[Entry]) -> str:
    """Say which method to use, and say so when a classical one is enough.

    Parameters
    ----------
    entries
        Scored rows, best first.

    Returns
    -------
    A sentence or two; empty without scored rows.
    """
    if not entries:
        return ""
    network = next((e for e in entries if e.family == "network"), None)
    classical = next((e for e in entries if e.family not in ("network", "floor")), None)
    floor = next((e for e in entries if e.family == "floor"), None)
    if network and classical:
        text = _against(network, classical)
    else:
        text = f"{entries[0].title} is best, with a mean Dice of {_dice(entries[0]):.3f}."
    best = entries[0]
    if floor and best is floor:
        return (
            f"{text} No method beats interpolation between the painted slices: the scored "
            "slices lie close to paint, or more paint is needed."
        )
    return text


def _against(network: Entry, classical: Entry) -> str:
    ours, theirs = _dice(network), _dice(classical)
    pair = f"mean Dice {theirs:.3f} against {ours:.3f}"
    if theirs >= ours:
        return (
            f"A classical method is enough here: {classical.title} does at least as well as "
            f"the network ({pair})."
        )
    span = network.scores.mean_dice_interval if network.scores else None
    if span and theirs >= span[0]:
        return (
            f"{classical.title} comes so close to the network ({pair}) that the scored slices "
            "cannot tell them apart; the simpler method may do."
        )
    return f"{network.title} beats the best classical method, {classical.title} ({pair})."


def _dice(entry: Entry) -> float:
    return (entry.scores.mean_dice if entry.scores else None) or 0.0
