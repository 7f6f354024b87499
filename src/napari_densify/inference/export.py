"""bioimage.io packages: a model that other programs can run, with its test data.

The package holds a TorchScript module that does everything from standardised
voxels to class probabilities (features included), sample input and output, and the
model file itself, so that ``load_model`` gets back exactly what was exported.

References
----------
https://bioimage-io.github.io/spec-bioimage-io (model description 0.5).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_densify.core.base import Settings
from napari_densify.core.files import replace, temporary_beside
from napari_densify.core.model import ModelSpec
from napari_densify.core.normalisation import NormalisationConfig
from napari_densify.core.settings import Triple
from napari_densify.inference.forest import Forest
from napari_densify.inference.inputs import class_scores, network_input, spec_logits
from napari_densify.inference.tiling import feature_depth
from napari_densify.networks import (
    LoadedModel,
    input_shape_for,
    level_strides,
    save_model,
    valid_margin,
)
from napari_densify.networks.checkpoint import PACKED_MODEL
from napari_densify.networks.features import MultiscaleFeatures

__all__ = ["ExportInfo", "ExportedNetwork", "export_package"]

# On the working grid: enough for features of the coarsest scale.
_MIN_SIDE = 64
_NETWORK_ALONE = (
    "They are the network's alone; napari-densify, which reads the attached "
    f"{PACKED_MODEL}, weighs a random forest in.\n\n"
)
# Keeps a constant image from dividing by 0.
_EPSILON = 1e-6


class ExportInfo(Settings):
    """What a package says of itself besides the model's facts."""

    name: str = "Densify segmentation model"
    description: str = "3D segmentation network trained from sparse annotations"
    author: str = "unknown"
    license: str = "CC-BY-4.0"


class ExportedNetwork(nn.Module):
    """Standardised image in, class probabilities out.

    Parameters
    ----------
    network
        Trained network in evaluation mode.
    spec
        What the model knows of itself.
    """

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.features = MultiscaleFeatures(spec.features) if spec.features else None
        for name in ("feature_offset", "feature_gain"):
            values = torch.tensor(getattr(spec, name)).view(-1, 1, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` voxels to ``(N, K, Z, Y, X)`` probabilities."""
        factor = self.spec.working_factor
        bank = None
        if self.features is not None:
            bank = self.features(network_input(image, None, factor, False))
            bank = ((bank - self.feature_offset) * self.feature_gain).clamp(-20, 20)
        ends = self.spec.slice_reach * factor[0]
        if ends:
            image = F.pad(image, (0, 0, 0, 0, ends, ends), mode="replicate")
        mixed = network_input(
            image, bank, factor, self.spec.subvoxel, self.spec.neighbours, self.spec.neighbour_step
        )
        return class_scores(spec_logits(self.network(mixed), self.spec), self.spec)


def export_package(model: LoadedModel, output: Path, info: ExportInfo | None = None) -> None:
    """Write a bioimage.io ZIP.

    Parameters
    ----------
    model
        Model to export, as loaded.
    output
        ZIP to write; an older one is replaced only once the new one is complete.

    Raises
    ------
    OSError
        If the file cannot be written; the old one is then untouched.
    """
    info = info or ExportInfo()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sample, result = _write_parts(model, folder)
        change = [b - a for a, b in zip(sample.shape[2:], result.shape[2:], strict=True)]
        description = _describe(model.spec, info, folder, change)
        # Every JSON text is YAML too.
        text = json.dumps(description, indent=2, ensure_ascii=False)
        (folder / "rdf.yaml").write_text(text, encoding="utf-8")
        _write_zip(folder, output)


def _write_parts(
    model: LoadedModel, folder: Path
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    # Not the paint that it may remember: a package is for others.
    spec = model.spec.model_copy(update={"remembers": ()})
    forest = Forest.from_tensors(model.extra)
    extra = forest.tensors() if forest is not None else None
    save_model(folder / PACKED_MODEL, model.network.state_dict(), spec, extra)
    exported = ExportedNetwork(model.network, spec).eval()
    sample = _sample_image(spec)
    standard = torch.from_numpy(_standardise(sample, spec.normalisation))
    with torch.inference_mode():
        result = exported(standard).numpy()
    _trace(exported, standard).save(str(folder / "weights.pt"))
    np.save(folder / "test_input.npy", sample)
    np.save(folder / "test_output.npy", result)
    (folder / "README.md").write_text(_readme(spec, forest), encoding="utf-8")
    return sample, result


def _trace(exported: nn.Module, sample: Tensor) -> Any:
    with warnings.catch_warnings():
        # Sizes are declared as whole steps, so no branch on a size is ever taken otherwise;
        # TorchScript is what the specification can run without our package.
        warnings.simplefilter("ignore")
        return torch.jit.trace(exported, sample, check_trace=False)  # type: ignore[no-untyped-call]


def _sample_image(spec: ModelSpec) -> npt.NDArray[np.float32]:
    """Build a smooth random image of a legal size: packages must not leak the user's data."""
    shape, _ = _sizes(spec)
    random = np.random.default_rng(0).normal(size=(1, spec.image_channels, *shape))
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    for axis in (3, 4):
        random = np.apply_along_axis(np.convolve, axis, random, kernel, mode="same")
    return np.asarray(128 + 40 * random / random.std(), np.float32)


def _sizes(spec: ModelSpec) -> tuple[Triple, Triple]:
    """Smallest input (Z, Y, X) in voxels, and the step in which it may grow."""
    coarse = MultiscaleFeatures(spec.features).step if spec.features else 1
    strides = level_strides(spec.network)[-1]
    margins = valid_margin(spec.network)
    minimum, steps = [], []
    for axis, stride in enumerate(strides):
        factor, halo = spec.working_factor[axis], _halo(spec)[axis]
        in_plane = axis > 0 and spec.features is not None
        step = factor * (int(np.lcm(stride, coarse)) if in_plane else stride)
        least = max(2 * halo + 1, factor * _MIN_SIDE if in_plane else 1)
        minimum.append(-(-least // step) * step)
        if margins != (0, 0, 0):
            minimum[axis] = factor * input_shape_for(spec.network, (1, 1, 1))[axis]
        steps.append(step)
    return (minimum[0], minimum[1], minimum[2]), (steps[0], steps[1], steps[2])


def _halo(spec: ModelSpec) -> Triple:
    if spec.network.padding == "valid":
        return 0, 0, 0
    z, y, x = (c * f for c, f in zip(spec.context, spec.working_factor, strict=True))
    return z + feature_depth(spec) * spec.working_factor[0], y, x


def _standardise(
    image: npt.NDArray[np.float32], config: NormalisationConfig
) -> npt.NDArray[np.float32]:
    """Do what the package asks of a reader's preprocessing, for the test output."""
    if config.kind == "none":
        return image
    axes = (2, 3, 4)
    low, high = np.percentile(image, [config.low, config.high], axis=axes, keepdims=True)
    clipped = np.clip(image, low, high)
    mean, deviation = clipped.mean(axes, keepdims=True), clipped.std(axes, keepdims=True)
    standard: npt.NDArray[np.float32] = ((clipped - mean) / (deviation + _EPSILON)).astype(
        np.float32
    )
    return standard


def _readme(spec: ModelSpec, forest: Forest | None) -> str:
    rows = "\n".join(f"* channel {i}: {c.name}" for i, c in enumerate(spec.classes.classes))
    spacing = " x ".join(f"{s:g}" for s in spec.spacing)
    alone = "" if forest is None else _NETWORK_ALONE
    known = "nm" if spec.spacing_known else "nm (assumed: the training image stated none)"
    return (
        "# Segmentation network\n\nTrained with napari-densify from sparse annotations; voxels "
        "without annotation had weight 0.\n\n## Output\n\nClass probabilities:\n\n"
        f"{rows}\n\n{alone}## Training data\n\nVoxel size Z x Y x X: {spacing} {known}.\n\n"
        "## Validation\n\nScore it on painted slices that were held out before use.\n"
    )


def _describe(
    spec: ModelSpec, info: ExportInfo, folder: Path, change: Sequence[int]
) -> dict[str, Any]:
    """Model description 0.5 as plain data; ``change`` is output minus input size (Z, Y, X)."""
    return {
        "type": "model",
        "format_version": "0.5.4",
        "name": info.name,
        "description": info.description,
        "authors": [{"name": info.author}],
        "license": info.license,
        "documentation": "README.md",
        "tags": ["segmentation", "3d", "unet", "napari-densify"],
        "inputs": [_input_tensor(spec, folder)],
        "outputs": [_output_tensor(spec, folder, change)],
        "weights": {
            "torchscript": {
                **_file(folder / "weights.pt"),
                "pytorch_version": torch.__version__.split("+")[0],
            }
        },
        "attachments": [_file(folder / PACKED_MODEL)],
    }


def _file(path: Path) -> dict[str, str]:
    return {"source": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _input_tensor(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    names = [f"channel{i}" for i in range(spec.image_channels)]
    axes: list[dict[str, Any]] = [{"type": "batch"}, {"type": "channel", "channel_names": names}]
    for name, least, step, scale in zip("zyx", *_sizes(spec), spec.spacing, strict=True):
        size = {"min": least, "step": step}
        axes.append({"type": "space", "id": name, "size": size, **_scale(spec, scale)})
    return {
        "id": "image",
        "description": "grey values",
        "axes": axes,
        "test_tensor": _file(folder / "test_input.npy"),
        "data": {"type": "float32"},
        "preprocessing": _preprocessing(spec.normalisation),
    }


def _scale(spec: ModelSpec, scale: float) -> dict[str, Any]:
    return {"unit": "nanometer", "scale": scale} if spec.spacing_known else {}


def _preprocessing(config: NormalisationConfig) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}]
    if config.kind == "none":
        return steps
    axes = ["z", "y", "x"]
    clip = {"min_percentile": config.low, "max_percentile": config.high, "axes": axes}
    return [
        *steps,
        {"id": "clip", "kwargs": clip},
        {"id": "zero_mean_unit_variance", "kwargs": {"axes": axes, "eps": _EPSILON}},
    ]


def _output_tensor(spec: ModelSpec, folder: Path, change: Sequence[int]) -> dict[str, Any]:
    names = [c.name for c in spec.classes.classes]
    axes: list[dict[str, Any]] = [{"type": "batch"}, {"type": "channel", "channel_names": names}]
    for name, offset, halo, scale in zip("zyx", change, _halo(spec), spec.spacing, strict=True):
        size = {"tensor_id": "image", "axis_id": name, "offset": offset}
        axis = {"type": "space", "id": name, "size": size, **_scale(spec, scale)}
        axes.append(axis | ({"halo": halo} if halo else {}))
    return {
        "id": "probabilities",
        "description": "class probabilities",
        "axes": axes,
        "test_tensor": _file(folder / "test_output.npy"),
        "data": {"type": "float32", "range": [0.0, 1.0]},
    }


def _write_zip(folder: Path, output: Path) -> None:
    temporary = temporary_beside(output)
    try:
        with zipfile.ZipFile(temporary, "x") as archive:
            for part in sorted(folder.iterdir()):
                archive.write(part, part.name)
        replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
