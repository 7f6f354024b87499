"""Model files: faithful, whole or not at all, and harmless."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.model_file import read_spec
from napari_densify.core.settings import NetworkConfig
from napari_densify.networks import build_network, load_model, save_model

NETWORK = NetworkConfig(
    encoder=((4,), (8,)),
    decoder=((4,),),
    kernels=((3, 3, 3),) * 2,
    pools=((2, 2, 2),),
    norm="batch",
)
SPEC = ModelSpec(
    network=NETWORK,
    classes=ClassTable.default(),
    spacing=(50.0, 4.0, 4.0),
    training={"note": "Zürich, 漢字"},
)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = build_network(NETWORK)
    network(torch.randn(1, 1, 4, 4, 4))  # running statistics that are not the initial ones
    path = tmp_path / "model.safetensors"
    save_model(path, network.state_dict(), SPEC, {"trees": torch.arange(3)})
    return path


def edit_header(path: Path, change: object) -> None:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    change(header)  # type: ignore[operator]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


def edit_spec(path: Path, change: object) -> None:
    def apply(header: dict[str, dict[str, str]]) -> None:
        spec = json.loads(header["__metadata__"]["napari_densify"])
        change(spec)  # type: ignore[operator]
        header["__metadata__"]["napari_densify"] = json.dumps(spec)

    edit_header(path, apply)


def test_a_model_comes_back_as_it_was(model_file: Path) -> None:
    torch.manual_seed(0)
    network = build_network(NETWORK)
    network(torch.randn(1, 1, 4, 4, 4))
    loaded = load_model(model_file)
    assert loaded.spec == read_spec(model_file) == SPEC
    assert loaded.extra["trees"].tolist() == [0, 1, 2]
    assert not loaded.network.training
    x = torch.randn(1, 1, 4, 6, 6)
    assert torch.equal(loaded.network(x), network.eval()(x))
    assert all(p.requires_grad for p in loaded.network.parameters())


def test_layout_of_the_weights_does_not_matter(tmp_path: Path) -> None:
    network = build_network(NETWORK).to(memory_format=torch.channels_last_3d)
    save_model(tmp_path / "m", network.state_dict(), SPEC)
    state = load_model(tmp_path / "m").network.state_dict()
    assert all(torch.equal(state[k], v) for k, v in network.state_dict().items())


def test_the_description_is_read_without_torch(model_file: Path) -> None:
    code = (
        "import sys; from napari_densify.core.model_file import read_spec;"
        "assert len(read_spec(sys.argv[1]).classes) == 2; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(model_file)], check=True)


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.5, -1])
def test_a_truncated_file_is_refused_in_one_line(model_file: Path, keep: float) -> None:
    content = model_file.read_bytes()
    end = int(len(content) * keep) if isinstance(keep, float) else keep
    model_file.write_bytes(content[:end])
    with pytest.raises(InputError) as error:
        load_model(model_file)
    assert "\n" not in str(error.value)
    assert str(model_file) in str(error.value)


class _Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("bomb",)


def test_a_pickle_is_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(InputError):
        load_model(path)
    with pytest.raises(InputError):
        read_spec(path)
    assert not (tmp_path / "bomb").exists()


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    import safetensors.torch

    with pytest.raises(InputError, match="no such model file"):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(InputError):
        load_model(tmp_path)
    other = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2)}, other)
    with pytest.raises(InputError, match="not a model of this package"):
        load_model(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(format=99),
        lambda s: s.update(surprise=1),
        lambda s: s.pop("classes"),
        lambda s: s["network"].update(encoder=[[4], [10**12]]),
        lambda s: s["network"].update(norm="code"),
        lambda s: s["network"].update(in_channels=10**9),
        lambda s: s["network"].update(in_channels=2**62),
        lambda s: s["network"].update(encoder=[[8], [8]]),
        lambda s: s["network"].update(residual=True),
        lambda s: s["network"].update(norm="none"),
    ],
)
def test_an_edited_description_is_refused_before_memory_is_taken(
    model_file: Path, change: object
) -> None:
    edit_spec(model_file, change)
    with pytest.raises(InputError) as error:
        load_model(model_file)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_a_failed_write_leaves_the_old_model(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model_file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="no space"):
        save_model(model_file, build_network(NETWORK).state_dict(), SPEC)
    assert model_file.read_bytes() == before
    assert list(model_file.parent.iterdir()) == [model_file]
