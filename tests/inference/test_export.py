"""bioimage.io packages: valid, runnable without this package, and readable again."""

import gc
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_densify.classical.features import feature_names
from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import FeatureConfig, NetworkConfig
from napari_densify.inference.export import ExportedNetwork, export_package
from napari_densify.inference.forest import Forest
from napari_densify.inference.inputs import input_channels
from napari_densify.networks import LoadedModel, build_network, load_model

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

FLAT = {
    "encoder": ((4, 4), (8, 8)),
    "decoder": ((4, 4),),
    "kernels": ((1, 3, 3), (3, 3, 3)),
    "pools": ((1, 2, 2),),
}


def model(kind: str) -> LoadedModel:
    torch.manual_seed(0)
    configs = {"features": FeatureConfig(), "solid": FeatureConfig(depth=2, anisotropy=4.0)}
    features = configs.get(kind)
    factor = (1, 2, 2) if features else (1, 1, 1)
    rows = len(feature_names(features)) if features else 0
    neighbours = 1 if kind == "neighbours" else 0
    network = NetworkConfig.model_validate(
        {
            **FLAT,
            "in_channels": input_channels(1, factor, True, features, neighbours),
            "out_channels": 2 * factor[1] * factor[2],
            "padding": "valid" if kind == "valid" else "same",
            "up": "transposed",
            "norm": "none" if kind == "valid" else "group",
        }
    )
    spec = ModelSpec(
        network=network, classes=ClassTable.default(), spacing=(50, 4, 4), spacing_known=True,
        features=features, feature_offset=(0.5,) * rows, feature_gain=(2.0,) * rows,
        working_factor=factor, subvoxel=features is not None,
        neighbours=neighbours, neighbour_step=2, context=(2, 16, 16), patch=(5, 32, 32),
    )  # fmt: skip
    return LoadedModel(build_network(network).eval(), spec, {"paint": torch.ones(3)})


@pytest.fixture(scope="module", params=["plain", "features", "solid", "valid", "neighbours"])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / f"{request.param}.zip"
    export_package(model(request.param), path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # nothing left beside it
    return path


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_the_specification_finds_nothing_wrong(package: Path, tmp_path: Path) -> None:
    spec = pytest.importorskip("bioimageio.spec")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    summary = spec.load_description_and_validate_format_only(tmp_path / "rdf.yaml")
    gc.collect()  # the library leaves its files to the collector: let it warn here, not later
    errors = [error.msg for detail in summary.details for error in detail.errors]
    assert errors == []
    assert summary.status in ("valid-format", "passed")


def standardise(image: np.ndarray, description: dict[str, object]) -> np.ndarray:
    """The declared preprocessing, done by hand."""
    steps = {s["id"]: s["kwargs"] for s in description["inputs"][0]["preprocessing"]}  # type: ignore[index]
    clip, norm = steps["clip"], steps["zero_mean_unit_variance"]
    percentiles = [clip["min_percentile"], clip["max_percentile"]]
    low, high = np.percentile(image, percentiles, axis=(2, 3, 4), keepdims=True)
    clipped = image.clip(low, high)
    return np.asarray((clipped - clipped.mean()) / (clipped.std() + norm["eps"]), np.float32)


def test_torchscript_gives_the_test_output_and_probabilities(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    description = json.loads((tmp_path / "rdf.yaml").read_text())
    script = torch.jit.load(str(tmp_path / "weights.pt"))
    image = np.load(tmp_path / "test_input.npy")
    expected = np.load(tmp_path / "test_output.npy")
    found = script(torch.from_numpy(standardise(image, description))).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-4)
    offsets = [a["size"]["offset"] for a in description["outputs"][0]["axes"] if "size" in a]
    assert [b - a for a, b in zip(image.shape[2:], expected.shape[2:], strict=True)] == offsets


def test_torchscript_takes_every_size_that_it_declares(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    description = json.loads((tmp_path / "rdf.yaml").read_text())
    sizes = [a["size"] for a in description["inputs"][0]["axes"] if "size" in a]
    shape = [s["min"] + n * s["step"] for n, s in zip((1, 2, 3), sizes, strict=True)]
    image = torch.randn(1, 1, *shape)
    script = torch.jit.load(str(tmp_path / "weights.pt"))
    loaded = load_model(package)
    with torch.inference_mode():
        direct = ExportedNetwork(loaded.network, loaded.spec)(image)
        torch.testing.assert_close(script(image), direct, atol=1e-4, rtol=1e-4)


def test_the_model_comes_back_as_it_was(package: Path) -> None:
    original = model(package.stem)
    again = load_model(package)
    assert again.spec == original.spec
    assert again.extra == {}  # the paint that a model may remember stays with its owner
    state = original.network.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in again.network.state_dict().items())


def test_a_forest_comes_back_too_and_the_readme_says_what_others_lack(tmp_path: Path) -> None:
    leaf = (torch.zeros(1, dtype=torch.int32),) * 2
    forest = Forest(*leaf, torch.tensor([np.inf]), leaf[0], torch.tensor([[0.25, 0.75]]))
    plain = model("features")
    spec = plain.spec.model_copy(update={"forest": 0.35})
    stored = {**plain.extra, **forest.tensors()}
    export_package(LoadedModel(plain.network, spec, stored), tmp_path / "f.zip")
    again = load_model(tmp_path / "f.zip")
    assert again.extra.keys() == forest.tensors().keys()
    assert again.spec.forest == 0.35
    with zipfile.ZipFile(tmp_path / "f.zip") as archive:
        assert "forest" in archive.read("README.md").decode()


def test_foreign_packages_are_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "a.zip"
    text.write_text("no zip")
    with pytest.raises(InputError, match="not a readable ZIP"):
        load_model(text)
    damaged = tmp_path / "d.zip"
    with zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.safetensors", bytes(range(256)) * 40)
    content = bytearray(damaged.read_bytes())
    content[50:60] = b"\xff" * 10
    damaged.write_bytes(content)
    with pytest.raises(InputError, match="not a readable ZIP"):
        load_model(damaged)
    other = tmp_path / "b.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("rdf.yaml", "type: model")
    with pytest.raises(InputError, match="holds no model"):
        load_model(other)
