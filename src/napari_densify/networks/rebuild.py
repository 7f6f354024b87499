"""A U-Net of ours from another program's weights, by their order and shapes.

A state dict says what a network consists of, not what it computes: which activation,
which pool, which comes first in a concatenation. So there are several candidates, and
the caller takes the one that computes what it should.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import torch
from torch import Tensor, nn

from napari_densify.core.settings import NetworkConfig, Triple
from napari_densify.networks.build import build_network

__all__ = ["Candidate", "Unmatched", "rebuild"]

# By how many tensors a normalisation has; instance normalisation often has none.
_NORMS = {0: ("none", "instance"), 2: ("group", "instance"), 4: ("batch",)}
_GROUPS = (8, 1, 4, 16, 32)


class Unmatched(Exception):
    """The weights are not those of a U-Net that can be built here; says why."""


@dataclass(frozen=True)
class Unit:
    """A convolution, and the normalisation after it.

    Attributes
    ----------
    names
        Of ``tensors``, in the state dict.
    tensors
        Weight ``(out, in, z, y, x)`` and what follows it: a bias, scale and offset of a
        normalisation, its running mean and variance.
    """

    names: tuple[str, ...]
    tensors: tuple[Tensor, ...]

    @property
    def weight(self) -> Tensor:
        """Kernel, with three spatial axes."""
        return self.tensors[0]

    @property
    def biased(self) -> bool:
        """Whether the convolution has a bias of its own."""
        return len(self.tensors) % 2 == 0

    @property
    def norm(self) -> int:
        """Number of tensors of its normalisation."""
        return len(self.tensors) - 1 - self.biased

    @property
    def kernel(self) -> Triple:
        """Size along Z, Y, X."""
        z, y, x = self.weight.shape[2:]
        return z, y, x


@dataclass(frozen=True)
class Candidate:
    """A network that the weights fit, without a claim that it is the one they came from."""

    config: NetworkConfig
    state: dict[str, Tensor]

    def build(self) -> nn.Module:
        """Return the network in evaluation mode."""
        network = build_network(self.config)
        network.load_state_dict(self.state)
        return network.eval()


def rebuild(
    state: Mapping[str, Tensor], *, padding: Literal["same", "valid"]
) -> Iterator[Candidate]:
    """Networks of ours that the weights of another program fit, likely ones first.

    Parameters
    ----------
    state
        Its state dict: two convolutions a level, normalisation after them or none, levels
        joined by concatenation, up-convolutions or plain up-sampling.
    padding
        ``same`` where the network keeps the size of its input.

    Raises
    ------
    Unmatched
        If there is none.
    """
    units = list(_units(state))
    found = False
    for ordered, ups in _orders(units):
        for config in _configs(ordered, ups, padding):
            for filled in _fill(config, ordered, ups):
                found = True
                yield Candidate(config, filled)
    if not found:
        raise Unmatched(
            f"its {len(units)} convolutions are not those of a U-Net with two a level, "
            "normalised after each"
        )


def _units(state: Mapping[str, Tensor]) -> Iterator[Unit]:
    """Group a state dict, in its order, by convolutions."""
    names: list[str] = []
    for name, value in state.items():
        if value.ndim in (4, 5):
            if names:
                yield _unit(state, names)
            names = [name]
        elif value.ndim == 1 and not names:
            raise Unmatched("it normalises before it convolves")
        elif value.ndim == 1:
            names.append(name)
        elif value.ndim:
            raise Unmatched(f"its weights {name!r} are no convolution's")
    if not names:
        raise Unmatched("it has no convolutions of images")
    yield _unit(state, names)


def _unit(state: Mapping[str, Tensor], names: Sequence[str]) -> Unit:
    if len(names) > 6:
        raise Unmatched(f"{len(names) - 1} vectors follow its weights {names[0]!r}")
    weight, *rest = (state[name].float() for name in names)
    return Unit(tuple(names), (weight if weight.ndim == 5 else weight.unsqueeze(2), *rest))


def _orders(units: list[Unit]) -> Iterator[tuple[list[Unit], bool]]:
    """Put units in the order of computation: modules may be registered in another."""
    count = len(units)
    if (count + 1) % 4 == 0 and count >= 7:
        yield units, False
    if (count + 2) % 5 or count < 8:
        return
    levels = (count + 2) // 5
    start, rest, head = units[: 2 * levels], units[2 * levels : -1], units[-1]
    yield units, True
    steps = levels - 1
    for ups, blocks in (
        (rest[:steps], rest[steps:]),
        (rest[2 * steps :], rest[: 2 * steps]),
    ):
        mixed = [unit for i in range(steps) for unit in (ups[i], blocks[2 * i], blocks[2 * i + 1])]
        yield [*start, *mixed, head], True


def _configs(
    units: list[Unit], ups: bool, padding: Literal["same", "valid"]
) -> Iterator[NetworkConfig]:
    """Configure networks with these convolutions; what weights don't tell takes turns."""
    each = 3 if ups else 2
    levels = (len(units) + 2) // 5 if ups else (len(units) + 1) // 4
    encoder = [units[2 * i : 2 * i + 2] for i in range(levels)]
    after = units[2 * levels : -1]
    steps = [after[i : i + each] for i in range(0, len(after), each)][::-1]  # finest first
    first, joined = units[0], [step[0] for step in steps] if ups else []
    transposed = ups and max(joined[0].kernel) == 2
    if first.norm not in _NORMS or units[-1].norm or max(units[-1].kernel) > 1:
        return
    known: dict[str, Any] = {
        "in_channels": first.weight.shape[1],
        "out_channels": units[-1].weight.shape[0],
        "encoder": tuple(tuple(u.weight.shape[0] for u in level) for level in encoder),
        "decoder": tuple(tuple(u.weight.shape[0] for u in s[-2:]) for s in steps),
        "kernels": tuple(level[0].kernel for level in encoder),
        "pools": tuple(_pool(s[0], first, transposed) for s in steps),
        "padding": padding,
    }
    if ups:
        known["up_channels"] = tuple(u.weight.shape[1 if transposed else 0] for u in joined)
        known["up_kernel"] = None if transposed else joined[0].kernel
    plain = not ups or joined[0].norm == 0
    activated = ([False, True] if plain and ups else [not plain]) if ups else [False]
    norms = [(n, g) for n in _NORMS[first.norm] for g in (_GROUPS if n == "group" else (1,))]
    kinds = ("transposed",) if transposed else ("resize_conv",) if ups else ("nearest", "linear")
    for activation, (norm, group), up, active, down in product(
        ("relu", "leaky_relu", "elu"), norms, kinds, activated, ("max", "average")
    ):
        changes = {"activation": activation, "up": up, "down": down, "up_activation": active}
        try:
            yield NetworkConfig(**known, **changes, norm=norm, norm_groups=group)
        except ValueError:  # such as linear up-sampling with valid convolutions
            continue


def _pool(step: Unit, first: Unit, transposed: bool) -> Triple:
    if transposed:
        return step.kernel
    return (2 if first.kernel[0] > 1 else 1), 2, 2


def _fill(config: NetworkConfig, units: list[Unit], ups: bool) -> Iterator[dict[str, Tensor]]:
    """Weights under our names, with skip or up-sampled channels first; none if they don't fit."""
    with torch.device("meta"):
        empty = build_network(config).state_dict()
    names = list(_units(empty))
    if len(names) != len(units):
        return
    each, levels = (3 if ups else 2), len(config.encoder)
    starts = range(2 * levels + each - 2, len(units) - 1, each)
    skips = {at: config.encoder[levels - 2 - i][-1] for i, at in enumerate(starts)}
    for up_first in (False, True):
        filled: dict[str, Tensor] = {n: v for n, v in empty.items() if v.ndim == 0}
        filled = {name: torch.zeros((), dtype=v.dtype) for name, v in filled.items()}
        for at, (ours, theirs) in enumerate(zip(names, units, strict=True)):
            taken = _taken(ours, theirs, skips.get(at, 0) if up_first else 0)
            if taken is None:
                return
            filled |= taken
        yield filled


def _taken(ours: Unit, theirs: Unit, skip: int) -> dict[str, Tensor] | None:
    """One unit's tensors under our names; what it lacks is filled with what does nothing."""
    weight, *rest = theirs.tensors
    if skip:  # the last input channels are the skip's: ours come first
        weight = torch.cat([weight[:, -skip:], weight[:, :-skip]], 1)
    if ours.biased and not theirs.biased:
        rest.insert(0, torch.zeros(ours.tensors[1].shape))
    if ours.norm == 2 and theirs.norm == 0:
        rest += [torch.ones(len(ours.tensors[-1])), torch.zeros(len(ours.tensors[-1]))]
    tensors = [weight, *rest]
    if [t.shape for t in tensors] != [t.shape for t in ours.tensors]:
        return None
    return dict(zip(ours.names, tensors, strict=True))
