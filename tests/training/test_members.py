"""Several networks trained one after another, and averaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import Committee, build_network, load_model
from napari_densify.training import train
from napari_densify.training.members import Members, enough_steps
from tests.training.test_trainer import QUICK, source


@pytest.mark.parametrize(
    ("steps", "count"), [(1, 1), (299, 1), (599, 1), (600, 2), (900, 3), (5000, 3)]
)
def test_time_for_another_network_is_when_each_gets_enough_steps(steps: int, count: int) -> None:
    assert Members.planned(300, None, steps) == Members(300, count, decided=True)


def test_more_paint_takes_longer_to_be_learned() -> None:
    few, many = enough_steps(1000, 65_536), enough_steps(1e6, 65_536)
    assert few == 300
    assert many == pytest.approx(150e6 / 65_536)


def test_time_is_shared_evenly_and_each_runs_from_its_start_to_its_end() -> None:
    members = Members(300, 3)
    assert members.place(0.0) == (0, 0.0)
    assert members.place(0.5) == (1, 0.5)
    assert members.place(1.0) == (2, 1.0)


def test_with_a_time_budget_the_speed_of_the_first_steps_decides() -> None:
    members = Members.planned(300, None, None)
    members.observe(5, 0.001)
    assert (members.count, members.decided) == (1, False)
    members.observe(20, 0.02)  # a thousand steps in all
    assert (members.count, members.decided) == (3, True)
    members.observe(40, 0.5)  # a machine that becomes slow does not change it
    assert members.count == 3


def test_a_wish_decides() -> None:
    assert Members.planned(300, 2, None) == Members(300, 2, decided=True)


def test_a_committee_is_the_mean_of_its_members() -> None:
    torch.manual_seed(0)
    config = NetworkConfig(members=3)
    committee = build_network(config).eval()
    assert isinstance(committee, Committee)
    x = torch.randn(1, 1, 8, 8, 8)
    with torch.no_grad():
        alone = [member(x) for member in committee.members]
        torch.testing.assert_close(committee(x), torch.stack(alone).mean(0))
    assert not torch.allclose(alone[0], alone[1])  # each has a start of its own


def test_a_model_of_two_networks_is_saved_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    settings = QUICK.model_copy(update={"steps": 6, "members": 2})
    events = list(train([source()], settings, output=path))
    model = load_model(path)
    assert events[-1].kind == "model"
    assert model.spec.network.members == 2
    assert isinstance(model.network, Committee)
    first, second = (m.heads[0].convolution.weight for m in model.network.members)
    assert not torch.allclose(first, second)
