"""bioimage.io packages of other programs, as a start for fine-tuning.

Nothing in a package is executed: neither its architecture's source nor TorchScript. Its
state dict is read as plain tensors, put into a U-Net of ours that they fit, and taken only
if that network computes the package's own test output from its test input.

References
----------
https://bioimage-io.github.io/spec-bioimage-io (model descriptions 0.4 and 0.5).
"""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import yaml
from torch import Tensor

from napari_densify.core.errors import InputError
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import NormalisationConfig
from napari_densify.networks.checkpoint import PACKED_MODEL, LoadedModel, load_model
from napari_densify.networks.processing import prepare
from napari_densify.networks.rebuild import Candidate, Unmatched, rebuild

__all__ = ["load_start"]

_DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
_MOST_BYTES = 4 * 2**30
_UNITS = {"nanometer": 1.0, "micrometer": 1e3, "millimeter": 1e6}
# Rounding through a few dozen layers, relative to the largest value.
_TOLERANCE = 2e-3
_LARGEST_PATCH = {2: (1, 256, 256), 3: (32, 96, 96)}

Array = npt.NDArray[np.float32]


def load_start(path: str | Path) -> LoadedModel:
    """Load a model to start from: ours, or a bioimage.io package of another program.

    Raises
    ------
    InputError
        If the file is neither, or the package's network is not one that can be built here.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip" or not path.exists() or _is_ours(path):
        return load_model(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _load(_Package(path, archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise InputError(f"not a readable ZIP ({error})", where=str(path)) from None


def _is_ours(path: Path) -> bool:
    """Whether the file is damaged (the usual message will do), or exported by this program."""
    try:
        with zipfile.ZipFile(path) as archive:
            return PACKED_MODEL in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return True


@dataclass(frozen=True)
class _Package:
    """A package that is open."""

    path: Path
    archive: zipfile.ZipFile

    def refuse(self, why: str) -> InputError:
        return InputError(
            f"this package can't be fine-tuned: {' '.join(why.split())}",
            where=str(self.path),
            mend="give one whose pytorch_state_dict is a plain U-Net, or a .safetensors file "
            "that train wrote",
        )

    def read(self, source: Any) -> bytes:
        """Read a file of the package; a source is a name, or a mapping that has it."""
        name = source.get("source") if isinstance(source, Mapping) else source
        wanted = str(PurePosixPath(str(name)))
        try:
            entry = self.archive.getinfo(wanted)
        except KeyError:
            raise self.refuse(f"{wanted!r} is not in it") from None
        if entry.file_size > _MOST_BYTES:
            raise self.refuse(f"{wanted!r} is too large")
        return self.archive.read(entry)

    def describe(self) -> dict[str, Any]:
        """Parse the model description."""
        for name in _DESCRIPTIONS:
            if name in self.archive.namelist():
                try:
                    found = yaml.safe_load(self.read(name))
                except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
                    raise self.refuse(f"its {name} is damaged") from None
                if isinstance(found, dict):
                    return found
        raise self.refuse("it holds no model description (rdf.yaml)")

    def array(self, source: Any) -> Array:
        """Read a test tensor."""
        try:
            found = np.load(io.BytesIO(self.read(source)), allow_pickle=False)
            return np.asarray(found, np.float32)
        except (ValueError, EOFError, TypeError):
            raise self.refuse("a test tensor is not a .npy file of numbers") from None

    def weights(self, source: Any) -> dict[str, Tensor]:
        """Read a state dict as tensors; an object of any other kind is refused, unread."""
        content = io.BytesIO(self.read(source))
        try:
            found = torch.load(content, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError):
            raise self.refuse("its weights are not a file of plain tensors") from None
        while isinstance(found, Mapping) and not any(isinstance(v, Tensor) for v in found.values()):
            found = next((v for v in found.values() if isinstance(v, Mapping)), None)
        if not isinstance(found, Mapping):
            raise self.refuse("its weights hold no state dict")
        return {str(k): v for k, v in found.items() if isinstance(v, Tensor)}


@dataclass(frozen=True)
class _Tensor:
    """One input or output of a description, 0.4 or 0.5."""

    name: str
    axes: str
    channels: tuple[str, ...]
    spacing: tuple[float, float, float] | None
    before: Sequence[Any]
    after: Sequence[Any]
    test: Any


def _load(package: _Package) -> LoadedModel:
    described = package.describe()
    try:
        state, given, wanted = _parts(package, described)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise package.refuse(f"its description is incomplete ({error!r})") from None
    image, answer = package.array(given.test), package.array(wanted.test)
    for axes, array in ((given.axes, image), (wanted.axes, answer)):
        if axes not in ("bcyx", "bczyx") or array.ndim != len(axes):
            raise package.refuse(f"its axes are {axes}, not batch, channel, (z,) y, x")
    candidate = _find(package, state, given, wanted, image, answer)
    spec = _spec(candidate, described, given, wanted, image)
    return LoadedModel(candidate.build(), spec, {})


def _parts(
    package: _Package, described: dict[str, Any]
) -> tuple[dict[str, Tensor], _Tensor, _Tensor]:
    weights = described["weights"]
    if "pytorch_state_dict" not in weights:
        raise package.refuse(
            f"its weights are {', '.join(map(str, weights))}, which hold code or another "
            "program's network"
        )
    if len(described["inputs"]) != 1 or len(described["outputs"]) != 1:
        raise package.refuse("it has several inputs or outputs")
    tests = described.get("test_inputs", [None])[0], described.get("test_outputs", [None])[0]
    given = _tensor(described["inputs"][0], tests[0])
    wanted = _tensor(described["outputs"][0], tests[1])
    return package.weights(weights["pytorch_state_dict"]), given, wanted


def _tensor(row: dict[str, Any], test: Any) -> _Tensor:
    axes, channels, scales = row["axes"], (), {}
    if not isinstance(axes, str):
        rows = [axis if isinstance(axis, Mapping) else {"type": axis} for axis in axes]
        letters = {"batch": "b", "channel": "c"}
        axes = "".join(letters.get(r["type"], str(r.get("id", r["type"]))) for r in rows)
        channels = next(
            (tuple(r.get("channel_names", ())) for r in rows if r["type"] == "channel"), ()
        )
        scales = {
            r.get("id"): float(r["scale"]) * _UNITS[r["unit"]]
            for r in rows
            if r.get("unit") in _UNITS and "scale" in r
        }
    x = scales.get("x")
    return _Tensor(
        name=str(row.get("id", row.get("name", ""))),
        axes=axes,
        channels=tuple(map(str, channels)),
        spacing=(scales.get("z", x), scales.get("y", x), x) if x else None,
        before=row.get("preprocessing") or (),
        after=row.get("postprocessing") or (),
        test=row["test_tensor"] if test is None else test,
    )


def _find(
    package: _Package,
    state: dict[str, Tensor],
    given: _Tensor,
    wanted: _Tensor,
    image: Array,
    answer: Array,
) -> Candidate:
    """Return the network that computes the test output."""
    padding: Literal["same", "valid"] = "same" if image.shape[2:] == answer.shape[2:] else "valid"
    try:
        inputs = torch.from_numpy(prepare(image, given.before, given.axes))
        for candidate in rebuild(state, padding=padding):
            logits = _run(candidate, inputs)
            if logits is None:
                continue
            for kind in ("none", "sigmoid", "softmax"):
                found = prepare(_ended(logits, kind).numpy(), wanted.after, wanted.axes)
                if found.shape == answer.shape and _close(found, answer):
                    ends = [kind, *(str(s.get("id", s.get("name"))) for s in wanted.after)]
                    return _headed(candidate, sigmoid="sigmoid" in ends)
    except (Unmatched, ValueError) as error:
        raise package.refuse(str(error)) from None
    raise package.refuse("no U-Net with its weights computes its own test output")


def _run(candidate: Candidate, inputs: Tensor) -> Tensor | None:
    """Logits of a batch of images or volumes; None where this network can't take them."""
    flat = inputs.ndim == 4
    if inputs.shape[1] != candidate.config.in_channels:
        return None
    try:
        with torch.inference_mode():
            logits: Tensor = candidate.build()(inputs.unsqueeze(2) if flat else inputs)
    except (RuntimeError, InputError):  # a size that valid convolutions don't fit
        return None
    return logits.squeeze(2) if flat else logits


def _ended(logits: Tensor, kind: str) -> Tensor:
    return {"none": logits, "sigmoid": logits.sigmoid(), "softmax": logits.softmax(1)}[kind]


def _close(found: Array, answer: Array) -> bool:
    worst = float(np.abs(found - answer).max(initial=0))
    return worst <= _TOLERANCE * max(float(np.abs(answer).max(initial=0)), 1e-3)


def _headed(candidate: Candidate, *, sigmoid: bool) -> Candidate:
    """One probability becomes two classes: background with logit 0, and the foreground."""
    config, state = candidate.config, dict(candidate.state)
    if config.out_channels > 1:
        head = "sigmoid" if sigmoid else "softmax"
        return Candidate(config.model_copy(update={"head": head}), state)
    for name, value in state.items():
        if name.startswith("heads."):
            state[name] = torch.cat([torch.zeros_like(value), value])
    return Candidate(config.model_copy(update={"out_channels": 2}), state)


def _spec(
    candidate: Candidate,
    described: dict[str, Any],
    given: _Tensor,
    wanted: _Tensor,
    image: Array,
) -> ModelSpec:
    config = candidate.config
    shape = image.shape[2:] if image.ndim == 5 else (1, *image.shape[2:])
    largest = _LARGEST_PATCH[image.ndim - 2]
    if config.padding == "valid":
        largest = shape[0], shape[1], shape[2]
    z, y, x = (min(n, m) for n, m in zip(shape, largest, strict=True))
    return ModelSpec(
        network=config,
        classes=_classes(wanted, config.out_channels),
        spacing=given.spacing or (1.0, 1.0, 1.0),
        spacing_known=given.spacing is not None,
        image_channels=config.in_channels,
        normalisation=NormalisationConfig(),
        patch=(z, y, x),
        planar=image.ndim == 4,
        training={"package": str(described.get("name", "")), "format": "bioimage.io"},
    )


def _classes(wanted: _Tensor, count: int) -> ClassTable:
    names = dict(enumerate(wanted.channels, start=1)) if len(wanted.channels) == count else {}
    if count == 2 and len(wanted.channels) < 2:
        return ClassTable.default()
    return ClassTable.from_values(range(1, count + 1), names=names)
