"""Schedules are functions of the budget's share; optimisers treat groups apart."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from napari_densify.core.recipes import ScheduleConfig
from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import build_network
from napari_densify.training.schedules import Schedule, make_optimiser

LATE = 10_000
TINY = NetworkConfig(
    encoder=((4,), (4,)), decoder=((4,),), kernels=((3, 3, 3),) * 2, pools=((2, 2, 2),)
)


def factors(kind: str, at: list[float], **changes: float) -> list[float]:
    schedule = Schedule(ScheduleConfig.model_validate({"kind": kind, **changes}))
    return [schedule.factor(p, LATE) for p in at]


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("constant", {}, [1, 1, 1, 1]),
        ("step", {"factor": 0.1, "drops": 3}, [1, 0.1, 0.01, 0.001]),
        ("cosine", {}, [1, 0.853553, 0.5, 0]),
        ("cosine", {"floor": 0.2}, [1, 0.882843, 0.6, 0.2]),
        ("one-cycle", {"peak": 0.5}, [0.04, 0.52, 1, 0]),
    ],
)
def test_factor_over_the_budget(
    kind: str, changes: dict[str, float], expected: list[float]
) -> None:
    assert factors(kind, [0, 0.25, 0.5, 1], **changes) == pytest.approx(expected, abs=1e-6)


def test_beyond_the_budget_the_last_rate_stays() -> None:
    for kind in ("step", "cosine", "one-cycle"):
        assert factors(kind, [1.0]) == factors(kind, [1.3])


def test_warm_up_counts_steps() -> None:
    schedule = Schedule(ScheduleConfig(kind="constant", warm_up_steps=4))
    assert [schedule.factor(0.0, s) for s in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


def test_plateau_waits_for_its_patience_and_not_while_the_loss_falls() -> None:
    schedule = Schedule(ScheduleConfig(kind="plateau", patience=0.2, factor=0.5))
    for i in range(50):
        schedule.observe(1.0 - 0.01 * i, i / 100)
    assert schedule.factor(0.5, LATE) == 1.0
    for i in range(50, 100):
        schedule.observe(0.9, i / 100)
    assert schedule.factor(1.0, LATE) < 1.0
    copy = Schedule(schedule.config)
    copy.restore(schedule.state())
    schedule.observe(0.9, 1.0)
    copy.observe(0.9, 1.0)
    assert copy.state() == schedule.state()


def test_plateau_follows_held_out_paint_where_there_is_some() -> None:
    schedule = Schedule(ScheduleConfig(kind="plateau", patience=0.2, factor=0.5))
    for i in range(40):  # the steps' loss falls for ever, that of held-out paint does not
        schedule.observe(1.0 - 0.01 * i, i / 100)
        schedule.observe_held_out(0.5 if i else 0.6, i / 100)
    assert schedule.factor(0.4, LATE) == 0.5


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_optimiser_decays_kernels_only(kind: str, expected: type) -> None:
    network = build_network(TINY)
    optimiser = make_optimiser(network, kind, rate=0.1, weight_decay=0.01)  # type: ignore[arg-type]
    assert type(optimiser) is expected
    grouped = {id(p): g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
    for parameter in network.parameters():
        assert grouped[id(parameter)] == (0.01 if parameter.ndim > 1 else 0.0)


def test_sgd_follows_the_heavy_ball_by_hand() -> None:
    layer = nn.Conv3d(1, 1, 1, bias=False)
    start = float(layer.weight.detach())
    optimiser = make_optimiser(layer, "sgd", rate=0.1, weight_decay=0.0, momentum=0.9)
    velocity, expected = 0.0, start
    for _ in range(3):
        layer.weight.grad = torch.full_like(layer.weight, 2.0)
        optimiser.step()
        velocity = 0.9 * velocity + 2.0
        expected -= 0.1 * (2.0 + 0.9 * velocity)  # Nesterov
    assert float(layer.weight.detach()) == pytest.approx(expected)


def test_the_encoder_can_be_slower_or_frozen() -> None:
    network = build_network(TINY)
    optimiser = make_optimiser(network, "adamw", rate=0.1, weight_decay=0.0, encoder_rate=0.1)
    encoder = {id(p) for p in network.encoder.parameters()}
    for group in optimiser.param_groups:
        slow = {id(p) in encoder for p in group["params"]}
        assert slow == {group["scale"] == 0.1}
        assert group["lr"] == pytest.approx(0.1 * group["scale"])
    make_optimiser(network, "adamw", rate=0.1, weight_decay=0.0, encoder_rate=0.0)
    assert not any(p.requires_grad for p in network.encoder.parameters())
    assert all(p.requires_grad for p in network.heads.parameters())


@pytest.mark.parametrize("_", range(3))  # it was a matter of luck
def test_a_program_may_end_while_the_optimiser_is_loaded(_: int) -> None:
    code = (
        "from napari_densify.training.schedules import load_ahead\n"
        "load_ahead()\n"
        "raise SystemExit(2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "")
