"""What stands in a model file besides its weights, read without torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from napari_densify.core.errors import InputError
from napari_densify.core.model import ModelSpec

__all__ = ["SPEC_KEY", "read_spec", "refuse", "unreadable"]

SPEC_KEY = "napari_densify"
"""Name of the safetensors metadata entry that holds the JSON of a ``ModelSpec``."""


def read_spec(path: str | Path) -> ModelSpec:
    """Read the specification of a model file; its weights stay on disk.

    Raises
    ------
    InputError
        If the file is missing, truncated, or not a model of this package.
    """
    path = Path(path)
    try:
        with safe_open(str(path), framework="numpy") as stream:
            metadata = stream.metadata() or {}
    except FileNotFoundError:
        raise InputError("no such model file", where=str(path)) from None
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from None
    if SPEC_KEY not in metadata:
        raise refuse(path, "a safetensors file, but not a model of this package")
    try:
        return ModelSpec.model_validate_json(metadata[SPEC_KEY])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise refuse(path, f"its description is not valid at {place!r}: {message}") from None


def unreadable(path: Path, error: Exception) -> InputError:
    """Say of a file that safetensors stumbled over what is the matter with it."""
    if path.is_dir():
        return refuse(path, "is a folder, not a model file")
    return refuse(path, f"not a readable safetensors file ({error})")


def refuse(path: Path, why: str) -> InputError:
    """Error for a file that cannot be used as a model."""
    return InputError(
        " ".join(why.split()), where=str(path), mend="give a .safetensors file that train wrote"
    )
