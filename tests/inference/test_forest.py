"""The stored forest is scikit-learn's forest, and a damaged file cannot lead it astray."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier

from napari_densify.classical.features import feature_names
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.settings import TrainSettings
from napari_densify.core.volume import Volume
from napari_densify.inference.forest import Forest, enlarged, opinion_pool
from napari_densify.inference.predictor import Predictor
from napari_densify.networks import build_network
from napari_densify.training.facts import Facts
from napari_densify.training.plan import resolve_plan
from napari_densify.training.spec import spec_from_plan


@pytest.fixture(scope="module")
def fitted() -> tuple[ExtraTreesClassifier, np.ndarray]:
    random = np.random.default_rng(0)
    features = random.normal(size=(2000, 5)).astype(np.float32)
    labels = np.where(features[:, 0] + features[:, 1] ** 2 > 1, 2, 0)
    forest = ExtraTreesClassifier(7, min_samples_leaf=3, random_state=0).fit(features, labels)
    return forest, features


@pytest.fixture(scope="module")
def forest(fitted: tuple[ExtraTreesClassifier, np.ndarray]) -> Forest:
    model, _ = fitted
    return Forest.from_trees([e.tree_ for e in model.estimators_], model.classes_, 3)


def test_it_answers_like_scikit_learn(
    fitted: tuple[ExtraTreesClassifier, np.ndarray], forest: Forest
) -> None:
    model, features = fitted
    wanted = model.predict_proba(features)
    found = forest.predict(torch.from_numpy(features.T.reshape(5, 2, 20, 50))).reshape(3, -1)
    assert np.allclose(found[[0, 2]].T, wanted, atol=1e-3)
    assert not found[1].any()  # a class without paint


def test_compiled_trees_answer_as_torch_does(forest: Forest) -> None:
    rows = torch.randn(20_000, 5)
    compiled = forest._compiled(5)
    assert compiled is not None
    found = torch.from_numpy(compiled.predict(rows.numpy(), threads=2))
    torch.testing.assert_close(found, forest._walk(rows), atol=1e-6, rtol=0)


def test_trees_that_share_nodes_are_left_to_torch(forest: Forest) -> None:
    shared = Forest(forest.roots.flip(0), *list(forest.tensors().values())[1:])
    assert shared._compiled(5) is None
    x = torch.randn(5, 100)
    torch.testing.assert_close(shared.predict(x), forest.predict(x), atol=1e-6, rtol=0)


def test_it_survives_its_file(forest: Forest) -> None:
    again = Forest.from_tensors({**forest.tensors(), "memory": torch.zeros(1)})
    assert again is not None
    x = torch.randn(5, 100)
    assert torch.equal(again.predict(x), forest.predict(x))
    assert Forest.from_tensors({"memory": torch.zeros(1)}) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"child": torch.tensor([0, 99], dtype=torch.int32)},
        {"child": torch.tensor([-1, 1], dtype=torch.int32)},
        {"roots": torch.tensor([7])},
        {"feature": torch.tensor([-3, 0], dtype=torch.int32)},
        {"threshold": torch.tensor([0.0, 0.0])},
        {"value": torch.zeros(1, 2)},
        {"value": None},
    ],
    ids=lambda d: "-".join(d),
)
def test_nodes_that_form_no_trees_are_refused(damage: dict[str, torch.Tensor | None]) -> None:
    leaves = {
        "roots": torch.tensor([0]),
        "feature": torch.zeros(2, dtype=torch.int32),
        "threshold": torch.full((2,), torch.inf),
        "child": torch.arange(2, dtype=torch.int32),
        "value": torch.full((2, 2), 0.5),
    }
    parts = {f"forest.{k}": v for k, v in (leaves | damage).items() if v is not None}
    with pytest.raises(InputError, match="damaged random forest"):
        Forest.from_tensors(parts)


def test_a_feature_that_the_model_lacks_is_refused(forest: Forest) -> None:
    with pytest.raises(InputError, match="features"):
        forest.predict(torch.zeros(2, 10))


def test_the_pool_lies_between_the_two_and_sums_to_one() -> None:
    network = torch.tensor([0.9, 0.1]).reshape(2, 1, 1, 1).expand(2, 1, 4, 4)
    opinion = torch.tensor([0.3, 0.7]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    pooled = opinion_pool(network, enlarged(opinion, (1, 2, 2)), 0.5)
    assert pooled.shape == (2, 1, 4, 4)
    assert torch.allclose(pooled.sum(0), torch.ones(1, 4, 4))
    wanted = (0.9 * 0.3) ** 0.5 / ((0.9 * 0.3) ** 0.5 + (0.1 * 0.7) ** 0.5)
    assert float(pooled[0, 0, 0, 0]) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("factor", [(1, 1, 1), (1, 2, 2)])
def test_the_forest_says_the_same_whatever_tile_is_asked(
    factor: tuple[int, int, int], forest: Forest
) -> None:
    plan = resolve_plan(
        TrainSettings(working_factor=factor, base_channels=8, depth=2),
        Facts(shape=(4, 40, 44), classes=3),
    )
    gains = (1.0,) * len(feature_names(plan.features))
    spec = spec_from_plan(
        plan.model_copy(update={"triplanar": False}),
        classes=ClassTable.from_values({1: 1, 2: 1, 3: 1}),
        spacing=(1.0, 1.0, 1.0),
        feature_offset=(0.0,) * len(gains),
        feature_gain=gains,
    )
    image = np.random.default_rng(0).integers(0, 255, (4, 40, 44)).astype(np.uint8)
    torch.manual_seed(0)
    predictor = Predictor(
        build_network(spec.network).eval(), spec, Volume(image), device=torch.device("cpu"),
        precision="float32", forest=forest,
    )  # fmt: skip
    whole = predictor.predict_region((slice(0, 4), slice(0, 40), slice(0, 44)))
    part = predictor.predict_region((slice(1, 3), slice(7, 29), slice(12, 37)))
    assert np.allclose(whole[:, 1:3, 7:29, 12:37], part, atol=2e-3)  # float16 features
