"""What a step of the training changes: network, averaged network, optimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import nn

from napari_densify.core.events import HeldOutScore
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import NetworkConfig, Triple
from napari_densify.inference.device import autocast_dtype
from napari_densify.inference.forest import Forest
from napari_densify.inference.inputs import network_input, spec_logits
from napari_densify.networks import (
    Committee,
    LoadedModel,
    SameSize,
    adapt_network,
    build_network,
    first_member,
    match_classes,
)
from napari_densify.training.affinity import affinity_loss
from napari_densify.training.augment import augment_batch
from napari_densify.training.best import BestWeights
from napari_densify.training.ema import AveragedWeights
from napari_densify.training.losses import class_weights, masked_loss
from napari_densify.training.plan import TrainPlan
from napari_densify.training.sampler import Batch, PatchSampler
from napari_densify.training.schedules import Schedule, make_optimiser
from napari_densify.training.statistics import BatchStatistics
from napari_densify.training.teacher import guide_loss
from napari_densify.training.team import Team
from napari_densify.training.transfer import match_inputs

__all__ = ["TrainingState"]

# Factor on the learning rate each time that the loss is not a number.
_CALMER = 0.3
# Share of its training from which on an unfinished network helps those before it.
_HALF_TRAINED = 0.5


class TrainingState:
    """Network, averaged network and optimiser: all that a step changes."""

    def __init__(
        self,
        plan: TrainPlan,
        spec: ModelSpec,
        device: torch.device,
        counts: list[int],
        *,
        init: LoadedModel | None = None,
        team: Team | None = None,
    ) -> None:
        self.team = team or Team()
        self.plan, self.spec, self.device = plan, spec, device
        self.fresh: list[str] = []  # weights that an earlier model could not give
        self.dtype = autocast_dtype(device, plan.precision, training=True)
        self.layout = torch.channels_last_3d
        self.step = 0
        self.damping = 1.0  # below 1 once the loss was not a number
        self.finished: list[dict[str, torch.Tensor]] = []  # weights of earlier members
        self._begin(self._start(init))
        self.generator = torch.Generator().manual_seed(plan.seed)
        self.background = background_index(spec.classes, counts)
        flagged = None if spec.classes.background is None else self.background
        self.weights = class_weights(
            counts,
            plan.class_weights,
            background=flagged,
            background_weight=plan.loss.background_weight,
        ).to(device)
        self.best = BestWeights()
        self.sparse = False  # strokes leave gaps
        self.forest: Forest | None = None  # has its say where scores are shown
        self._statistics: BatchStatistics | None = None
        self._shown: tuple[int, nn.Module] = (-1, self.network)  # step, and as it was then
        self.rate = 0.0

    def _begin(self, network: nn.Module) -> None:
        """Train this network from now on."""
        plan = self.plan
        self.network = network.to(self.device)
        self.network.to(memory_format=self.layout)  # type: ignore[call-overload]
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
        self.member_step, self.progress = 0, 0.0
        self._judged: tuple[int, ...] = ()  # slices of the last score

    def refer(self, sampler: PatchSampler) -> None:
        """Measure batch statistics on patches of this sampler from now on."""
        generator = torch.Generator().manual_seed(self.plan.seed)

        def draw() -> torch.Tensor:
            image, bank, _ = self._augmented(sampler.draw(self.plan.batch), generator)
            return self._inputs(image, bank)

        self._statistics = BatchStatistics(draw)

    def begin_member(self) -> None:
        """Keep the averaged weights as they are, and train another network from a new start."""
        self.finished.append(self._measured(quick=False).state_dict())
        self._begin(build_network(self._single))

    @property
    def _single(self) -> NetworkConfig:
        return self.plan.network.model_copy(update={"members": 1})

    def _start(self, init: LoadedModel | None) -> nn.Module:
        if init is None:
            return build_network(self._single)
        network, self.fresh = adapt_network(
            first_member(init.network).state_dict(),
            init.spec.network.model_copy(update={"members": 1}),
            self._single,
            classes=match_classes(init.spec.classes, self.spec.classes),
            old_classes=len(init.spec.classes),
            input_channels=match_inputs(init.spec, self.spec),
        )
        return network

    def averaged_network(self, *, quick: bool = True) -> nn.Module:
        """Return what would be saved now, ready to predict.

        The network with its averaged weights, and those trained before it; without it
        while they are better than it can be.

        Parameters
        ----------
        quick
            To be shown, not saved.
        """
        if quick and self._shown[0] == self.step:
            return self._shown[1]
        members = [self._with_weights(w).eval() for w in self.finished]
        if not members or self.progress >= _HALF_TRAINED:
            members.append(self._measured(quick=quick))
        network = members[0] if len(members) == 1 else Committee(members).eval()
        if quick:
            self._shown = self.step, network
        return network

    def trained(self) -> tuple[dict[str, torch.Tensor], int]:
        """Return the weights to be saved, and how many networks they are of."""
        if self.best.weights:
            return self.best.weights, 1
        network = self.averaged_network(quick=False)
        return network.state_dict(), len(network.members) if isinstance(network, Committee) else 1

    def _measured(self, *, quick: bool) -> nn.Module:
        """Network with its averaged weights, and the batch statistics that go with them."""
        network = self._with_weights(self.averaged.state_dict())
        if self._statistics is None:
            return network.eval()
        self._statistics.measure(SameSize(network, self.plan.network), self.dtype, quick=quick)
        return network

    def _with_weights(self, weights: dict[str, torch.Tensor]) -> nn.Module:
        network = deepcopy(self.network)  # building one would draw random numbers
        network.load_state_dict(weights)
        return network

    def advance(self, batch: Batch, progress: float) -> float:
        """Take one step; ``progress`` runs from 0 to 1 over the training of this network.

        Returns
        -------
        The loss; NaN if it or its gradient is not finite: no weight was changed then.
        """
        self.progress = progress
        self._set_rate(progress)
        image, bank, labels = self._augmented(batch, self.generator)
        share = self.team.share
        inputs = self._inputs(share(image), None if bank is None else share(bank))
        enabled = self.dtype is not None
        with torch.autocast(self.device.type, dtype=self.dtype or torch.bfloat16, enabled=enabled):
            raw = self._same_size(inputs if enabled else inputs.float())  # (N, K', z, y, x)
        levels = raw if isinstance(raw, list) else [raw]  # several with deep supervision
        joined = self.team.joined
        logits = [joined(spec_logits(level.float(), self.spec)) for level in levels]
        loss = masked_loss(
            logits,
            within_margin(labels, self.plan),
            self.plan.loss,
            weights=self.weights,
            background=self.background,
        )
        if batch.teacher is not None:
            teacher = batch.teacher.to(self.device)
            loss = loss + self.plan.guidance * guide_loss(logits[0], labels, teacher)
        if self.sparse and self.plan.affinity:
            grey = self._grey(image)
            pairs = affinity_loss(logits[0], labels, grey, self.plan.working_factor, self.generator)
            loss = loss + self.plan.affinity * pairs
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.team.add_gradients(self.network.parameters())
        size = nn.utils.clip_grad_norm_(self.network.parameters(), 12.0)
        value = float(loss.detach())
        if not (math.isfinite(value) and bool(torch.isfinite(size))):
            self.optimiser.zero_grad(set_to_none=True)
            return math.nan
        self.optimiser.step()
        self.step += 1
        self.member_step += 1
        self.averaged.update(self.network, self.member_step)
        self.schedule.observe(value, progress)
        return value

    def _augmented(
        self, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Image and features ``(N, C, Z, Y, X)`` and labels ``(N, Z, Y, X)``, -1: none."""
        return augment_batch(
            batch.image.to(self.device),
            None if batch.features is None else batch.features.to(self.device),
            batch.labels.to(self.device),
            self.plan.augment,
            spacing=self.spec.spacing,
            generator=generator,
            margin=voxel_margin(self.plan),
        )

    def _inputs(self, image: torch.Tensor, bank: torch.Tensor | None) -> torch.Tensor:
        """Return what the network takes, ``(N, C, Z, Y, X)`` on the working grid."""
        plan = self.plan
        inputs = network_input(
            image, bank, plan.working_factor, plan.subvoxel, plan.neighbours, plan.neighbour_step
        )
        return inputs.contiguous(memory_format=self.layout)

    def _grey(self, image: torch.Tensor) -> torch.Tensor:
        """Intensities ``(N, C, z, y, x)`` on the working grid, without neighbouring slices."""
        ends = self.plan.slice_reach * self.plan.working_factor[0]
        own = image[:, :, ends : image.shape[2] - ends]
        return network_input(own, None, self.plan.working_factor, subvoxel=False)

    def go_low(self) -> None:
        """Compute in bfloat16 from now on, unless that was given up already."""
        if self.damping == 1.0:
            self.plan = self.plan.model_copy(update={"precision": "bf16"})
            self.dtype = autocast_dtype(self.device, "bf16", training=True)

    def calm(self) -> None:
        """Go on from the averaged weights, in float32 and at a lower rate."""
        self.network.load_state_dict(self.averaged.state_dict())
        self.dtype = None
        self.optimiser.state.clear()
        self.damping *= _CALMER

    def judge(self, score: HeldOutScore, progress: float) -> None:
        """Learn from a score on held-out paint: the rate may drop, the weights may be kept."""
        losses = list(score.bce.values())
        if self._judged not in ((), score.slices):
            self.schedule.forget_held_out()
        self._judged = score.slices
        if losses:
            self.schedule.observe_held_out(sum(losses) / len(losses), progress)
        if self.plan.keep == "best":
            self.best.offer(score, self._measured(quick=True).state_dict())  # as scored

    def _set_rate(self, progress: float) -> None:
        self.rate = (
            self.damping
            * self.plan.learning_rate
            * self.schedule.factor(progress, self.member_step)
        )
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
