"""A damage of HDF5 files that its C library never returns from."""

from __future__ import annotations

import struct
from pathlib import Path

from napari_densify.core.errors import InputError

__all__ = ["require_sound_heaps"]

_WINDOW = 2**16
_HEAD = b"GCOL\x01\0\0\0"
_OBJECT_BYTES = 16


def require_sound_heaps(path: Path) -> None:
    """Refuse files with a zeroed global heap, over which HDF5 (2.0 at least) loops for ever.

    Texts of variable length, such as ilastik's axis tags, lie in these heaps, written
    near the start or the end of a file; only there is looked. The layout is in the
    HDF5 file format specification 3.0, section III.E.

    Raises
    ------
    InputError
        If such a heap is found.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in {0, max(0, size - _WINDOW)}:
            file.seek(start)
            content = file.read(_WINDOW)
            at = content.find(_HEAD)
            while at >= 0:
                if _never_ends(content[at:]):
                    raise InputError("the file is damaged (a heap of texts is empty)")
                at = content.find(_HEAD, at + 1)


def _never_ends(heap: bytes) -> bool:
    """Walk the objects of a heap; True at a free space that claims no bytes."""
    if len(heap) < _OBJECT_BYTES:
        return False
    end = min(len(heap), struct.unpack_from("<Q", heap, 8)[0])
    at = _OBJECT_BYTES
    while at + _OBJECT_BYTES <= end:
        index, _, nbytes = struct.unpack_from("<HH4xQ", heap, at)
        if index == 0:
            return bool(nbytes == 0)
        at += _OBJECT_BYTES + -(-nbytes // 8) * 8
    return False
