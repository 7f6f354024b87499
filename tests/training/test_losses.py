"""The torch half of the label contract, and each loss against a plain formula."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_densify.core.errors import InputError
from napari_densify.core.recipes import LossConfig, LossKind
from napari_densify.training import losses
from napari_densify.training.losses import class_weights, masked_loss, resolve_loss

KINDS = get_args(LossKind)
SHAPE = (2, 3, 8, 24, 24)
DENSITIES = [0.001, 0.01, 1.0]
WEIGHTS = torch.tensor([0.5, 1.0, 2.0])


def painted(density: float, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 3, (SHAPE[0], *SHAPE[2:]), generator=random)
    drop = torch.rand(target.shape, generator=random) >= density
    target[drop] = -1
    return target


def logits_and_loss(
    logits: Tensor, target: Tensor, kind: str, weights: Tensor | None = WEIGHTS
) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    loss = masked_loss(leaf, target, kind, weights=weights)
    loss.backward()
    assert leaf.grad is not None
    return loss.detach(), leaf.grad


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_logits_at_unlabelled_voxels_change_nothing_bitwise(kind: str, density: float) -> None:
    torch.manual_seed(0)
    target = painted(density)
    if density == 1.0:
        target[0, 0, 0, 0] = -1  # the contract holds for a single hole too
    logits = torch.randn(SHAPE)
    loss, gradient = logits_and_loss(logits, target, kind)
    assert torch.isfinite(loss)
    hidden = (target < 0)[:, None].expand(SHAPE)
    for poison in (torch.nan, torch.inf, -torch.inf, 1e30):
        other, other_gradient = logits_and_loss(torch.where(hidden, poison, logits), target, kind)
        assert torch.equal(loss, other)
        assert torch.equal(gradient, other_gradient)
    assert torch.equal(gradient[hidden], torch.zeros(int(hidden.sum())))
    assert gradient[~hidden].abs().sum() > 0


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_prediction_costs_nothing_at_any_density(kind: str, density: float) -> None:
    target = painted(density)
    truth = torch.nn.functional.one_hot(target.clamp(min=0), 3).movedim(-1, 1)
    perfect = torch.where(truth.bool(), 30.0, -30.0)
    assert float(masked_loss(perfect, target, kind, weights=WEIGHTS)) < 1e-4
    assert float(masked_loss(-perfect, target, kind, weights=WEIGHTS)) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_does_not_shrink_with_the_paint(kind: str) -> None:
    """A wrong constant prediction costs the same at 1 % as at 100 %, gradient included."""
    logits = torch.zeros(SHAPE)
    full, _ = logits_and_loss(logits, painted(1.0), kind, None)
    sparse, gradient = logits_and_loss(logits, painted(0.05), kind, None)
    if kind != "border-ce":  # its weights depend on which objects are painted
        torch.testing.assert_close(full, sparse, rtol=0.1, atol=0.01)
    _, dense_gradient = logits_and_loss(logits, painted(1.0), kind, None)
    ratio = gradient.abs().sum() / dense_gradient.abs().sum()
    assert 0.5 < float(ratio) < 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_paint_costs_nothing_and_teaches_nothing(kind: str) -> None:
    target = torch.full((SHAPE[0], *SHAPE[2:]), -1)
    for value in (0.0, torch.nan, torch.inf):
        loss, gradient = logits_and_loss(torch.full(SHAPE, value), target, kind)
        assert float(loss) == 0.0
        assert torch.equal(gradient, torch.zeros(SHAPE))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences(kind: str) -> None:
    torch.manual_seed(0)
    target = painted(0.3)[:1, :2, :3, :3]
    # float32 inside: a coarse step, and a bound that a wrong formula would not meet
    logits = torch.randn(1, 3, 2, 3, 3)
    _, gradient = logits_and_loss(logits, target, kind)
    direction = torch.randn_like(logits)
    step = 1e-2
    up, down = (
        masked_loss(logits + s * step * direction, target, kind, weights=WEIGHTS) for s in (1, -1)
    )
    slope = float(up - down) / (2 * step)
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=0.02, abs=1e-4)


def by_hand(logits: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Softmax, one-hot truth and weights of the painted voxels, by numpy alone."""
    rows = logits.movedim(1, -1).numpy().astype(float)[target.numpy() >= 0]
    labels = target.numpy()[target.numpy() >= 0]
    p = np.exp(rows) / np.exp(rows).sum(1, keepdims=True)
    return p, np.eye(3)[labels], WEIGHTS.numpy()[labels]


def expected_loss(kind: str, logits: Tensor, target: Tensor) -> float:
    p, y, w = by_hand(logits, target)
    q = (p * y).sum(1)
    entropy = (w * -np.log(q)).sum() / w.sum()
    tp, fp, fn = (p * y).sum(0), (p * (1 - y)).sum(0), ((1 - p) * y).sum(0)
    dice = 1 - (2 * tp / (p.sum(0) + y.sum(0))).mean()
    importance = 1 / y.sum(0) ** 2
    s = 1 / (1 + np.exp(-logits.movedim(1, -1).numpy().astype(float)[target.numpy() >= 0]))
    binary = (w * -np.log(np.where(y > 0, s, 1 - s)).mean(1)).sum() / w.sum()
    sigmoid_dice = 1 - (2 * (s * y).sum(0) / (s.sum(0) + y.sum(0))).mean()
    formulas = {
        "ce": entropy,
        "weighted-ce": entropy,
        "dice": dice,
        "generalised-dice": 1 - 2 * (importance * tp).sum() / (importance * (p + y).sum(0)).sum(),
        "dice-ce": entropy + dice,
        "focal": (w * (1 - q) ** 2 * -np.log(q)).sum() / w.sum(),
        "tversky": 1 - (tp / (tp + 0.3 * fp + 0.7 * fn)).mean(),
        "bce": binary,
        "bce-dice": binary + sigmoid_dice,
    }
    return float(formulas[kind])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "border-ce"])
def test_each_loss_equals_its_formula(kind: str) -> None:
    torch.manual_seed(3)
    logits, target = torch.randn(SHAPE), painted(0.01)
    loss = masked_loss(logits, target, kind, weights=WEIGHTS)
    assert float(loss) == pytest.approx(expected_loss(kind, logits, target), rel=1e-4)


def test_border_cross_entropy_adds_its_weight_between_objects() -> None:
    torch.manual_seed(0)
    target = torch.ones(1, 1, 5, 7, dtype=torch.long)
    target[..., 3] = 0
    logits = torch.randn(1, 2, 1, 5, 7)
    config = LossConfig(kind="border-ce", border_w0=4, border_sigma=1)
    loss = masked_loss(logits, target, config, background=0)
    entropy = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    weight = torch.ones_like(entropy)
    weight[..., 3] += 4 * np.exp(-((1 + 1) ** 2) / 2)
    torch.testing.assert_close(loss, (weight * entropy).sum() / weight.sum())


def test_classes_absent_from_a_batch_are_left_out_of_dice() -> None:
    target = torch.full((1, 1, 2, 2), 0)
    logits = torch.zeros(1, 3, 1, 2, 2)
    assert float(masked_loss(logits, target, "dice")) == pytest.approx(1 - 2 / 3 / (4 / 3))


def test_deep_supervision_reads_coarse_levels_at_the_painted_voxels() -> None:
    torch.manual_seed(0)
    target = painted(0.01)
    fine, coarse = torch.randn(SHAPE), torch.randn(2, 3, 4, 12, 12)
    enlarged = torch.nn.functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
    both = masked_loss([fine, coarse], target, "ce")
    alone = masked_loss(fine, target, "ce"), masked_loss(enlarged, target, "ce")
    torch.testing.assert_close(both, (alone[0] + alone[1] / 2) / 1.5)


def test_class_weights_come_from_painted_voxels() -> None:
    assert class_weights([10, 30], "none").tolist() == [1, 1]
    inverse = class_weights([10, 30, 0], "inverse")
    assert inverse.tolist() == pytest.approx([2.0, 2 / 3, 0.0])
    assert (inverse * torch.tensor([10, 30, 0])).tolist() == pytest.approx([20, 20, 0])
    assert class_weights([10, 30], "sqrt").tolist() == pytest.approx([2**0.5, (2 / 3) ** 0.5])
    down = class_weights([10, 30], "none", background=1, background_weight=0.1)
    assert down.tolist() == pytest.approx([1, 0.1])


def test_an_unknown_loss_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(InputError, match="weighted-ce"):
        resolve_loss("mse")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("density", [0.02, 0.1])
def test_few_and_many_voxels_are_picked_alike(
    kind: str, density: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, logits = painted(density), torch.randn(SHAPE)
    outcomes = []
    for bound in (1, 10_000):  # one by one where fewer than this part is painted
        monkeypatch.setattr(losses, "_FEW", bound)
        outcomes.append(logits_and_loss(logits, target, kind))
    torch.testing.assert_close(*outcomes)


def test_a_coarse_level_as_large_as_the_paint_is_read_where_the_paint_is() -> None:
    """One whole slice of 16 x 16 voxels, and a coarse level of 4 x 8 x 8: as many of either."""
    target = torch.full((1, 4, 16, 16), -1)
    target[0, 2] = 1
    coarse = torch.full((1, 2, 4, 8, 8), torch.nan)
    coarse[:, 0, 2], coarse[:, 1, 2] = -20.0, 20.0
    fine = torch.zeros(1, 2, 4, 16, 16)
    fine[:, 1] = 20.0
    assert float(masked_loss([fine, coarse], target, "ce")) < 1e-6


def test_few_voxels_are_picked_whatever_the_layout() -> None:
    target, logits = painted(0.02), torch.randn(SHAPE)
    other = logits.contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(*(masked_loss(x, target, "ce") for x in (logits, other)))
