"""Low precision is used only where a child process came back with right gradients, sooner."""

import sys
from pathlib import Path

import pytest
import torch

from napari_densify.core.settings import NetworkConfig, TrainSettings
from napari_densify.inference.device import autocast_dtype, needs_rehearsal
from napari_densify.training.facts import Facts
from napari_densify.training.plan import TrainPlan, resolve_plan
from napari_densify.training.rehearsal import (
    LowPrecision,
    Rehearsal,
    begin_rehearsal,
    rehearse,
)
from napari_densify.training.verdicts import Piece, Verdict, VerdictStore

PIECE = Piece(
    network=NetworkConfig(
        encoder=((8, 8), (16, 16)), decoder=((8, 8),), norm="batch",
        kernels=((1, 3, 3),) * 2, pools=((1, 2, 2),),
    ),
    batch=2,
    patch=(1, 32, 32),
)  # fmt: skip


def child(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_child_that_finds_right_and_fast_gradients_passes() -> None:
    verdict = Verdict(cosine=0.99, seconds=1, seconds_low=0.5).model_dump_json()
    assert Rehearsal(PIECE, child(f"print({verdict!r})")).passed()


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.abort()",
        "import time; time.sleep(60)",
        "print('no verdict')",
        f"print({Verdict(cosine=0.1, seconds=1, seconds_low=0.5).model_dump_json()!r})",
        f"print({Verdict(cosine=0.99, seconds=1, seconds_low=1.5).model_dump_json()!r})",
    ],
    ids=["crash", "hang", "garbage", "wrong", "slow"],
)
def test_anything_else_means_float32(code: str) -> None:
    assert not Rehearsal(PIECE, child(code)).passed(timeout_s=3)


GOOD = f"print({Verdict(cosine=0.99, seconds=1, seconds_low=0.5).model_dump_json()!r})"
SLOW = f"print({Verdict(cosine=0.99, seconds=1, seconds_low=1.5).model_dump_json()!r})"


def test_a_training_by_the_clock_does_not_wait_and_goes_over_once() -> None:
    rehearsal = Rehearsal(PIECE, child(f"import time; time.sleep(0.5); {GOOD}"))
    low = LowPrecision(rehearsal, before=None, counted=False)
    assert not low.begins()
    while not rehearsal.ended:
        pass
    assert low.begins()
    assert not low.begins()


@pytest.mark.parametrize(
    ("code", "before", "counted", "expected"),
    [
        (GOOD, None, True, True), (SLOW, None, True, True), (SLOW, "bf16", False, True),
        (GOOD, "auto", True, False), ("raise SystemExit(1)", None, True, False),
    ],
)  # fmt: skip
def test_where_steps_are_counted_or_taken_up_again_speed_does_not_matter(
    code: str, before: str | None, counted: bool, expected: bool
) -> None:
    low = LowPrecision(Rehearsal(PIECE, child(code)), before=before, counted=counted)
    assert low.begins() is expected


def test_a_rehearsal_that_nobody_needs_is_ended() -> None:
    rehearsal = Rehearsal(PIECE, child("import time; time.sleep(60)"))
    rehearsal.end()
    assert rehearsal.ended


def test_the_real_child_compares_gradients() -> None:
    verdict = rehearse(PIECE)
    assert 0.6 < verdict.cosine <= 1.0001
    assert verdict.seconds > 0
    assert verdict.seconds_low > 0


def test_a_cpu_with_amx_trains_in_float32_until_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    cpu = torch.device("cpu")
    assert needs_rehearsal(cpu)
    assert autocast_dtype(cpu, training=True) is None
    assert autocast_dtype(cpu, "bf16", training=True) is torch.bfloat16
    assert autocast_dtype(cpu) is torch.bfloat16  # forward passes are sound


def test_a_cpu_without_amx_needs_no_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert begin_rehearsal(auto_plan(), torch.device("cpu")) is None


def test_a_wish_for_a_precision_needs_no_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    plan = auto_plan(TrainSettings(precision="float32"))
    assert begin_rehearsal(plan, torch.device("cpu")) is None


def auto_plan(settings: TrainSettings | None = None) -> TrainPlan:
    return resolve_plan(settings or TrainSettings(), Facts(shape=(10, 64, 64)))


def test_a_clear_verdict_is_kept_for_the_next_training(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path)
    assert Rehearsal(PIECE, child(GOOD), store=store).passed()
    again = Rehearsal(PIECE, child("raise SystemExit(1)"), store=VerdictStore(tmp_path))
    assert again.ended
    assert again.passed()
    again.end()
    other = PIECE.model_copy(update={"batch": 3})
    assert not Rehearsal(other, child("raise SystemExit(1)"), store=store).passed()


def test_crashes_and_close_races_are_not_kept(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path)
    close = Verdict(cosine=0.99, seconds=1, seconds_low=0.95).model_dump_json()
    assert not Rehearsal(PIECE, child("import os; os.abort()"), store=store).passed()
    assert Rehearsal(PIECE, child(f"print({close!r})"), store=store).passed()
    assert store.find(PIECE) is None


def test_a_damaged_or_unwritable_store_is_an_empty_one(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path)
    store.keep(PIECE, Verdict(cosine=0.99, seconds=1, seconds_low=0.5))
    (kept,) = tmp_path.iterdir()
    kept.write_text("{")
    assert store.find(PIECE) is None
    (tmp_path / "file").write_text("")
    VerdictStore(tmp_path / "file").keep(PIECE, Verdict(cosine=1, seconds=1, seconds_low=0.5))
