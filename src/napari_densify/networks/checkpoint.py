"""Model files: weights and everything that rebuilds the network, never a pickle."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from napari_densify.core.errors import InputError
from napari_densify.core.files import atomic_write_bytes
from napari_densify.core.model import ModelSpec
from napari_densify.core.model_file import SPEC_KEY, read_spec, refuse, unreadable
from napari_densify.core.settings import NetworkConfig
from napari_densify.core.sizes import say_bytes
from napari_densify.networks.build import build_network

__all__ = ["PACKED_MODEL", "LoadedModel", "load_model", "read_spec", "save_model"]

PACKED_MODEL = "model.safetensors"
"""Name of the model file inside an exported package."""

_WEIGHTS = "network."
_EXTRA = "extra."
_MOST_BYTES = 8 * 2**30  # a small ZIP can hold more than a disk


@dataclass(frozen=True)
class LoadedModel:
    """A model as it was saved: network on the CPU in evaluation mode."""

    network: nn.Module
    spec: ModelSpec
    extra: dict[str, Tensor]


def save_model(
    path: str | Path,
    state_dict: Mapping[str, Tensor],
    spec: ModelSpec,
    extra_tensors: Mapping[str, Tensor] | None = None,
) -> None:
    """Write one safetensors file, whole or not at all.

    Parameters
    ----------
    path
        File to write; an older one is replaced only once the new one is complete.
    state_dict
        Weights of ``build_network(spec.network)``, on any device.
    spec
        Everything but the weights; stored as JSON in the file's metadata.
    extra_tensors
        Further tensors to keep with the model (a forest, optimiser state).

    Raises
    ------
    InputError
        If the file cannot be written; the old one is then untouched.
    """
    tensors = {_WEIGHTS + name: value for name, value in state_dict.items()}
    tensors |= {_EXTRA + name: value for name, value in (extra_tensors or {}).items()}
    plain = {name: _plain(value) for name, value in tensors.items()}
    content = safetensors.torch.save(plain, {SPEC_KEY: spec.model_dump_json()})
    try:
        atomic_write_bytes(Path(path), content)
    except OSError as error:
        raise InputError(
            f"the model cannot be written: {(error.strerror or str(error)).lower()}",
            where=str(path),
            mend=f"make room for {say_bytes(len(content))}, or name another folder with -o",
        ) from error


def load_model(path: str | Path) -> LoadedModel:
    """Rebuild the network of a model file, or of a package that was exported from one.

    Nothing in the file is executed, and no memory is set aside before the shapes
    of the stored weights are found to be those of the described network.

    Raises
    ------
    InputError
        If the file is missing, truncated, foreign or does not fit its description.
    """
    path = Path(path)
    return _load_package(path) if path.suffix.lower() == ".zip" else _load_file(path)


def _load_package(path: Path) -> LoadedModel:
    """Load the model inside a bioimage.io package."""
    mend = "only packages exported by this program can be run; train --init fine-tunes others"
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as scratch:
            if PACKED_MODEL not in archive.namelist():
                raise InputError(f"holds no {PACKED_MODEL}", where=str(path), mend=mend)
            if archive.getinfo(PACKED_MODEL).file_size > _MOST_BYTES:
                raise InputError("its model is too large to be one", where=str(path), mend=mend)
            return _load_file(Path(archive.extract(PACKED_MODEL, scratch)))
    except FileNotFoundError:
        raise InputError("no such model file", where=str(path)) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise InputError(f"not a readable ZIP ({error})", where=str(path)) from None


def _load_file(path: Path) -> LoadedModel:
    spec = read_spec(path)
    try:
        with safe_open(str(path), framework="pt") as stream:
            names = list(stream.keys())
            shapes = {name: tuple(stream.get_slice(name).get_shape()) for name in names}
            network = _empty_network(path, spec.network, shapes)
            # Cloned, so that the file can be replaced while the model lives (Windows).
            tensors = {name: stream.get_tensor(name).clone() for name in shapes}
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from None
    weights = {
        name.removeprefix(_WEIGHTS): value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
        if name.startswith(_WEIGHTS)
    }
    network.load_state_dict(weights, assign=True)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    extra = {
        name.removeprefix(_EXTRA): value
        for name, value in tensors.items()
        if name.startswith(_EXTRA)
    }
    return LoadedModel(network.eval(), spec, extra)


def _plain(value: Tensor) -> Tensor:
    # clone: tensors that share storage are refused by the format
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def _empty_network(
    path: Path, config: NetworkConfig, shapes: Mapping[str, tuple[int, ...]]
) -> nn.Module:
    with torch.device("meta"):
        try:
            network = build_network(config)
        except (RuntimeError, ValueError) as error:
            raise refuse(path, f"its network cannot be built ({error})") from None
    wanted = {_WEIGHTS + k: tuple(v.shape) for k, v in network.state_dict().items()}
    stored = {k: v for k, v in shapes.items() if not k.startswith(_EXTRA)}
    for name in sorted(wanted.keys() | stored.keys()):
        if wanted.get(name) != stored.get(name):
            raise InputError(
                f"weights {name!r} have shape {stored.get(name)}, "
                f"its network needs {wanted.get(name)}",
                where=str(path),
                mend="the file is damaged or was edited: give the file that train wrote",
            )
    return network
