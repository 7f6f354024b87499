"""Processes that train together take the same step as one: gloo on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.settings import TrainSettings
from napari_densify.training.facts import Facts
from napari_densify.training.plan import resolve_plan
from napari_densify.training.sampler import Batch
from napari_densify.training.spec import spec_from_plan
from napari_densify.training.state import TrainingState
from napari_densify.training.team import Team, local_device

CPU = torch.device("cpu")


def take_a_step(team: Team) -> dict[str, torch.Tensor]:
    """One step on a batch whose patches hold very different amounts of paint."""
    settings = TrainSettings(
        patch=(1, 32, 32), batch=4, base_channels=4, depth=2, steps=3, seed=1, device="cpu",
        features=False, precision="float32",
    )  # fmt: skip
    plan = resolve_plan(settings, Facts(shape=(6, 64, 64)))
    # Batch statistics would be those of each process's share.
    plan = plan.model_copy(update={"network": plan.network.model_copy(update={"norm": "none"})})
    spec = spec_from_plan(
        plan, classes=ClassTable.default(), spacing=(1, 1, 1), spacing_known=False,
        image_channels=1, feature_offset=(), feature_gain=(),
    )  # fmt: skip
    torch.manual_seed(0)
    state = TrainingState(plan, spec, CPU, [500, 100], team=team)
    state.sparse = True  # as with strokes: their neighbours have a say too
    labels = torch.full((4, 1, 32, 32), -1)
    for patch, rows in enumerate((32, 9, 1, 3)):
        labels[patch, 0, :rows] = torch.randint(0, 2, (rows, 32))
    depth = 1 + 2 * spec.slice_reach
    batch = Batch(torch.randn(4, 1, depth, 32, 32).half(), None, labels)
    loss = state.advance(batch, 0.5)
    found = {name: p.detach() for name, p in state.network.named_parameters()}
    found |= {f"grad {name}": p.grad for name, p in state.network.named_parameters()}
    return found | {"loss": torch.tensor(loss)}


def test_two_processes_take_the_step_of_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path / f"{rank}.pt")],
            env=os.environ | {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
        )
        for rank in (0, 1)
    ]  # fmt: skip
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    alone = take_a_step(Team())
    assert any(g.abs().max() > 1e-3 for name, g in alone.items() if name.startswith("grad"))
    for rank in (0, 1):
        together = torch.load(tmp_path / f"{rank}.pt")
        assert together.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(together[name], value, atol=1e-5, rtol=1e-4, msg=name)


def test_patches_that_cannot_be_shared_out_are_refused() -> None:
    with pytest.raises(InputError, match="batch=6"):
        Team(0, 3).share(torch.zeros(4, 1))
    assert Team(1, 2).share(torch.arange(4)).tolist() == [2, 3]


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    team = Team.join(CPU)
    assert (team, team.leads) == (Team(0, 1), True)
    assert team.agree(0.25, CPU) == 0.25
    assert local_device("auto") == "auto"


if __name__ == "__main__":
    torch.save(take_a_step(Team.join(CPU)), sys.argv[1])
