"""Packages of other programs: U-Nets written here as others write them, none run as code."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from napari_densify.core.errors import InputError
from napari_densify.networks import load_start


def double(inside: int, out: int, dim: int, norm: str = "batch") -> nn.Sequential:
    """Two convolutions as widely written: no bias before batch normalisation."""
    convolution = (nn.Conv2d, nn.Conv3d)[dim - 2]
    layers: list[nn.Module] = []
    for channels in (inside, out):
        layers.append(convolution(channels, out, 3, padding=1, bias=norm != "batch"))
        if norm == "batch":
            layers.append((nn.BatchNorm2d, nn.BatchNorm3d)[dim - 2](out))
        elif norm == "group":
            layers.append(nn.GroupNorm(4, out))
        elif norm == "instance":  # without weights, as is its default
            layers.append((nn.InstanceNorm2d, nn.InstanceNorm3d)[dim - 2](out))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class Planar(nn.Module):
    """2D, transposed convolutions, the up-sampled channels first, sigmoid inside."""

    def __init__(self, classes: int = 1, norm: str = "batch") -> None:
        super().__init__()
        self.encoder1, self.encoder2 = double(1, 8, 2, norm), double(8, 16, 2, norm)
        self.bottleneck = double(16, 32, 2, norm)
        self.up2, self.decoder2 = nn.ConvTranspose2d(32, 16, 2, 2), double(32, 16, 2, norm)
        self.up1, self.decoder1 = nn.ConvTranspose2d(16, 8, 2, 2), double(16, 8, 2, norm)
        self.conv = nn.Conv2d(8, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.encoder1(x)
        two = self.encoder2(F.max_pool2d(one, 2))
        x = self.up2(self.bottleneck(F.max_pool2d(two, 2)))
        x = self.up1(self.decoder2(torch.cat((x, two), 1)))
        return torch.sigmoid(self.conv(self.decoder1(torch.cat((x, one), 1))))


class Spatial(nn.Module):
    """3D, plain up-sampling, the skip first, group normalisation, average pools, logits."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            [double(1, 8, 3, "group"), double(8, 16, 3, "group"), double(16, 32, 3, "group")]
        )
        self.decoders = nn.ModuleList([double(48, 16, 3, "group"), double(24, 8, 3, "group")])
        self.final_conv = nn.Conv3d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for encoder in self.encoders:
            x = encoder(x if not skips else F.avg_pool3d(x, 2))
            skips.append(x)
        for decoder, skip in zip(self.decoders, skips[1::-1], strict=True):
            x = decoder(torch.cat((skip, F.interpolate(x, scale_factor=2)), 1))
        return self.final_conv(x)


class Grouped(Planar):
    """All up-convolutions registered after all blocks, instance normalisation."""

    def __init__(self) -> None:
        super().__init__(2, "instance")
        for name in ("up2", "up1", "conv"):
            self._modules[name] = self._modules.pop(name)


def trained(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Give running statistics and scales values that are not the initial ones."""
    with torch.no_grad():
        for name, value in network.named_parameters():
            if value.ndim == 1:
                value.uniform_(0.5, 1.5) if "weight" in name else value.uniform_(-0.3, 0.3)
    network(torch.randn(shape))
    return network.eval()


def package(
    path: Path,
    network: nn.Module,
    shape: tuple[int, ...],
    change: Callable[[dict[str, Any], dict[str, bytes]], None] = lambda description, files: None,
) -> Path:
    """Write a package as the specification 0.4 has it; numbers are random."""
    image = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    standard = (image - image.mean()) / (image.std() + 1e-6)
    with torch.inference_mode():
        answer = network(torch.from_numpy(standard)).numpy()
    files = {}
    for name, value in (("in.npy", image), ("out.npy", answer)):
        stream = io.BytesIO()
        np.save(stream, value)
        files[name] = stream.getvalue()
    files["weights.pt"] = saved({"model_state_dict": network.state_dict()})
    axes = "bcyx" if len(shape) == 4 else "bczyx"
    step = {"name": "zero_mean_unit_variance", "kwargs": {"mode": "per_sample", "axes": axes[1:]}}
    description = {
        "format_version": "0.4.10",
        "name": "someone's U-Net",
        "inputs": [{"name": "raw", "axes": axes, "preprocessing": [step]}],
        "outputs": [{"name": "out", "axes": axes}],
        "test_inputs": ["in.npy"],
        "test_outputs": ["out.npy"],
        "weights": {"pytorch_state_dict": {"source": "weights.pt", "architecture": "unet.py:UNet"}},
    }
    files["unet.py"] = b"raise SystemExit('model code was run')"
    change(description, files)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", yaml.safe_dump(description))
        for name, content in files.items():
            archive.writestr(name, content)
    return path


SHAPES = {Planar: (1, 1, 32, 48), Grouped: (1, 1, 32, 48), Spatial: (1, 1, 8, 16, 24)}


@pytest.mark.parametrize("kind", SHAPES)
def test_the_network_computes_what_the_other_program_did(kind: Any, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = trained(kind(), SHAPES[kind])
    loaded = load_start(package(tmp_path / "model.zip", network, SHAPES[kind]))
    x = torch.randn(SHAPES[kind])
    ours = loaded.network(x if x.ndim == 5 else x.unsqueeze(2))
    with torch.inference_mode():
        theirs = network(x) if x.ndim == 5 else network(x).unsqueeze(2)
    if kind is Planar:  # one probability became two classes
        assert loaded.spec.classes.background == 1
        assert torch.allclose(ours.softmax(1)[:, 1:], theirs, atol=1e-5)
    elif kind is Grouped:
        assert loaded.spec.network.head == "sigmoid"
        assert torch.allclose(ours.sigmoid(), theirs, atol=1e-5)
    else:
        assert loaded.spec.network.down == "average"
        assert torch.allclose(ours, theirs, atol=1e-4)
    assert loaded.spec.planar == (x.ndim == 4)


def test_a_description_of_the_later_format_is_read(tmp_path: Path) -> None:
    def later(description: dict[str, Any], files: dict[str, bytes]) -> None:
        space = {"type": "space", "unit": "micrometer", "scale": 0.004}
        names = ["membrane"]
        description["format_version"] = "0.5.3"
        tests = description.pop("test_inputs"), description.pop("test_outputs")
        for side, (test,) in zip(("inputs", "outputs"), tests, strict=True):
            row = description[side][0]
            row["axes"] = [
                {"type": "batch"}, {"type": "channel", "channel_names": names},
                {**space, "id": "y"}, {**space, "id": "x"},
            ]  # fmt: skip
            row["test_tensor"] = {"source": test}
        step = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}
        description["inputs"][0]["preprocessing"] = [{"id": "ensure_dtype"}, step]

    torch.manual_seed(1)
    network = trained(Planar(), SHAPES[Planar])
    spec = load_start(package(tmp_path / "model.zip", network, SHAPES[Planar], later)).spec
    assert spec.spacing == (4.0, 4.0, 4.0)
    assert spec.spacing_known


class _Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('model code was run')",)


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def other_answer(description: dict[str, Any], files: dict[str, bytes]) -> None:
    files["out.npy"] = files["out.npy"][:-4] + np.float32(7).tobytes()


REFUSED = {
    "torchscript": lambda d, f: d.update(weights={"torchscript": {"source": "weights.pt"}}),
    "file of plain tensors": lambda d, f: f.update({"weights.pt": saved(_Bomb())}),
    "not a file of plain": lambda d, f: f.update({"weights.pt": pickle.dumps(_Bomb(), 2)}),
    "'weights.pt' is not in it": lambda d, f: f.pop("weights.pt"),
    "incomplete (KeyError('test_tensor'))": lambda d, f: d.pop("test_inputs"),
    "its own test output": other_answer,
    "'binarize' is not known": lambda d, f: d["inputs"][0]["preprocessing"].append(
        {"name": "binarize", "kwargs": {"threshold": 0.5}}
    ),
    "several inputs": lambda d, f: d["inputs"].append(d["inputs"][0]),
    "axes are byxc": lambda d, f: d["inputs"][0].update(axes="byxc"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_trusted_is_refused_in_one_line(reason: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = trained(Planar(), SHAPES[Planar])
    path = package(tmp_path / "model.zip", network, SHAPES[Planar], REFUSED[reason])
    with pytest.raises(InputError) as error:
        load_start(path)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_network_that_is_no_u_net_is_refused(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1)).eval()
    path = package(tmp_path / "model.zip", network, (1, 1, 16, 16))
    with pytest.raises(InputError, match="2 convolutions"):
        load_start(path)
