"""What is written at once, what is computed at once: planned before the start.

A *block* is the unit of writing and of resuming: it is the same on every machine,
so that a run can be gone on with elsewhere. A *tile* is the part of a block that
goes through the network at once, a *slab* the slices of it in one forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_densify.classical.features import feature_halo, feature_names
from napari_densify.core.model import ModelSpec
from napari_densify.core.settings import NetworkConfig, Triple
from napari_densify.networks import has_flat_kernels, level_strides, receptive_radius

__all__ = [
    "BEYOND",
    "Tiling",
    "block_size",
    "bytes_per_cell",
    "chunk_size",
    "output_chunks",
    "feature_depth",
    "halo_cells",
    "is_slicewise",
    "plan_tiling",
    "predicted_bytes",
]

# Working cells of a block of a network that sees slices singly.
_DEPTH, _EDGE = 8, 512
# Memory for a tile that is being prepared (a second one waits in a third of it).
_PREPARED_BYTES = 300_000_000
# Activations of a block with its halo, for networks that see depth: halo is dear there.
_READ_BYTES = 2_000_000_000
# Of slices that go through the network at once: more gain nothing.
_SLAB_BYTES = 500_000_000
# Voxels of a chunk: files of a few kB to a few 100 kB after compression.
_CHUNK_VOXELS = 600_000
_SMALLEST_TILE = 16
# Mirrored cells beyond the volume's border that a network of slices sees: further ones
# cost time, a great deal in small volumes, and tell it nothing.
BEYOND = 8
# uint8 as read, float32 twice on the way, float16.
_VOXEL_BYTES = 10


@dataclass(frozen=True)
class Tiling:
    """How much is computed at once.

    Attributes
    ----------
    tile
        Voxels (Z, Y, X) of an answer that is computed at once.
    slab
        Slices in one forward pass of a network that sees slices singly.
    """

    tile: Triple
    slab: int = 1

    def smaller(self, factor: Triple) -> Tiling | None:
        """Return the next smaller one: fewer slices at once, then smaller tiles; None at the end.

        Parameters
        ----------
        factor
            Working cell (Z, Y, X) in voxels: tiles are whole cells.
        """
        if self.slab > 1:
            return replace(self, slab=self.slab // 2)
        cells = [-(-n // f) for n, f in zip(self.tile, factor, strict=True)]
        axis = max(range(3), key=lambda i: cells[i])
        if cells[axis] <= _SMALLEST_TILE:
            return None
        cells[axis] = -(-cells[axis] // 2)
        return replace(self, tile=_scaled(cells, factor))


def is_slicewise(spec: ModelSpec) -> bool:
    """Whether every slice can pass the network without seeing the others.

    A normalisation by statistics of the patch doesn't matter: such networks learn from
    patches of one slice, so each slice is to have its own.
    """
    config = spec.network
    if spec.working_factor[0] > 1 and not spec.subvoxel:
        return False  # answers are interpolated between slices
    single = config.slice_context == 0 and config.architecture == "unet"
    return single and has_flat_kernels(config)


def halo_cells(spec: ModelSpec) -> Triple:
    """Working cells (Z, Y, X) read beyond a tile on each side.

    All that a network can see where it sees slices singly, so that tiles agree to
    rounding; where it sees depth that would cost too much, and the model says how
    much is enough.
    """
    z, y, x = spec.context
    if not is_slicewise(spec):
        return z, y, x
    radius, stride = receptive_radius(spec.network), level_strides(spec.network)[-1]
    full = [-(-r // s) * s for r, s in zip(radius, stride, strict=True)]
    return z, max(y, full[1]), max(x, full[2])


def feature_depth(spec: ModelSpec) -> int:
    """Working slices that features look at on either side, beyond those that the network sees."""
    return max(0, spec.features.reach - spec.slice_reach) if spec.features else 0


def block_size(shape: Triple, spec: ModelSpec) -> Triple:
    """Write region (voxels) of a block: little halo for its size, the same on any machine.

    Networks that see slices singly get wide, shallow blocks; others about the
    shape whose halo costs least.
    """
    factor = spec.working_factor
    cells = [-(-n // f) for n, f in zip(shape, factor, strict=True)]
    wanted = [_DEPTH, _EDGE, _EDGE] if is_slicewise(spec) else _least_halo(spec)
    area = math.prod(min(n, w) for n, w in zip(cells[1:], wanted[1:], strict=True))
    wanted[0] = max(wanted[0], math.prod(wanted) // area)  # narrow volumes: deeper, as large
    return _scaled([min(n, w) for n, w in zip(cells, wanted, strict=True)], factor)


def _least_halo(spec: ModelSpec) -> list[int]:
    """Cells (Z, Y, X) of a block whose read region stays in bounds and holds least halo."""
    hz, hy, hx = halo_cells(spec)
    wide = 2 if spec.network.padding == "valid" else 1  # most of a small block would be lost
    limit = wide * _READ_BYTES // bytes_per_cell(spec.network)
    best, found = 0.0, [4, 16, 16]
    for depth in range(4, 129, 4):
        edge = math.isqrt(max(0, limit // (depth + 2 * hz)))
        y, x = ((edge - 2 * h) // 16 * 16 for h in (hy, hx))
        if min(y, x) < 16:
            continue
        share = depth * y * x / ((depth + 2 * hz) * (y + 2 * hy) * (x + 2 * hx))
        if share > best:
            best, found = share, [depth, y, x]
    return found


def bytes_per_cell(config: NetworkConfig) -> int:
    """Memory of one working cell at the network's widest moment, in float32."""
    first = config.encoder[0]
    up = config.up_channels[0] if config.up_channels else first[-1] * 2
    merged = first[-1] + (up or first[-1] * 2)
    last = max(config.decoder[0], default=first[-1]) if config.decoder else first[-1]
    widest = max(config.in_channels + 2 * max(first), first[-1] + merged + 2 * last)
    return 4 * (widest + 2 * config.out_channels)


def plan_tiling(spec: ModelSpec, shape: Triple, block: Triple, budget_bytes: int) -> Tiling:
    """Fit tile and slab into a budget of memory.

    Parameters
    ----------
    spec
        Model.
    shape
        Of the volume (Z, Y, X): where it ends less is read, so more slices fit.
    block
        Write region (Z, Y, X) of a block, in voxels.
    budget_bytes
        For the activations of one forward pass on the device.
    """
    tiling = Tiling(block, 1)
    if is_slicewise(spec):
        cell = spec.working_factor[0]
        depth = _prepared_slices(spec, shape, block)
        plane: Triple = (cell, block[1], block[2])
        slab = min(budget_bytes, _SLAB_BYTES) // (
            bytes_per_cell(spec.network) * _read_cells(spec, shape, plane)
        )
        tiling = Tiling((depth * cell, block[1], block[2]), max(1, min(depth, slab)))
    while _tile_bytes(spec, shape, tiling) > budget_bytes:
        smaller = tiling.smaller(spec.working_factor)
        if smaller is None:
            break
        tiling = smaller
    return tiling


def predicted_bytes(spec: ModelSpec, shape: Triple, budget_bytes: int) -> int:
    """Memory that a prediction takes on top of the program itself.

    One forward pass, two prepared tiles (float16 image and features), the answers of
    two, and the block that is being put together.
    """
    block = block_size(shape, spec)
    tiling = plan_tiling(spec, shape, block, budget_bytes)
    answers = 4 * len(spec.classes) * math.prod(tiling.tile)
    prepared = _prepared_bytes(spec, shape, tiling.tile)
    return _tile_bytes(spec, shape, tiling) + 2 * prepared + 2 * answers + 2 * math.prod(block)


def _prepared_bytes(spec: ModelSpec, shape: Triple, tile: Triple) -> int:
    """Memory of a tile while it is read and encoded: float32 voxels, float16 features twice."""
    bank = feature_halo(spec.features) if spec.features else 0
    rows = len(feature_names(spec.features)) if spec.features else 0
    z = -(-tile[0] // spec.working_factor[0])
    depth, height, width = _read_sides(spec, shape, tile)
    depth += 2 * feature_depth(spec)
    read = (height + 2 * bank) * (width + 2 * bank) * depth * math.prod(spec.working_factor)
    return spec.image_channels * (read * _VOXEL_BYTES + 4 * rows * z * height * width)


def _prepared_slices(spec: ModelSpec, shape: Triple, block: Triple) -> int:
    """Working slices of a tile that stays within the memory for preparing it."""
    cell = spec.working_factor[0]
    depth = -(-block[0] // cell)
    while depth > 1 and (
        _prepared_bytes(spec, shape, (depth * cell, *block[1:])) > _PREPARED_BYTES
    ):
        depth -= 1
    return depth


def _tile_bytes(spec: ModelSpec, shape: Triple, tiling: Tiling) -> int:
    tile: Triple = tiling.tile
    if is_slicewise(spec):
        tile = (tiling.slab * spec.working_factor[0], *tile[1:])
    return bytes_per_cell(spec.network) * _read_cells(spec, shape, tile)


def _read_cells(spec: ModelSpec, shape: Triple, tile: Triple) -> int:
    """Working cells that pass the network with a tile."""
    depth, height, width = _read_sides(spec, shape, tile)
    if is_slicewise(spec):
        depth = -(-tile[0] // spec.working_factor[0])
    return depth * height * width


def _read_sides(spec: ModelSpec, shape: Triple, tile: Triple) -> Triple:
    """Working cells (Z, Y, X) of a tile and its halo, as much of it as the volume has."""
    halo = halo_cells(spec)
    cut = is_slicewise(spec) and spec.network.padding != "valid"
    beyond = (halo[0], BEYOND, BEYOND) if cut else halo
    z, y, x = (
        min(-(-t // f) + 2 * h, -(-n // f) + 2 * b)
        for t, n, f, h, b in zip(tile, shape, spec.working_factor, halo, beyond, strict=True)
    )
    return z, y, x


def output_chunks(block: Triple, shape: Triple, spec: ModelSpec) -> Triple:
    """Chunks in which blocks of a prediction are written.

    Parameters
    ----------
    block
        Voxels (Z, Y, X) written at once.
    shape
        Of the volume; where it is one block, its chunks are those of other predictions.
    spec
        Model.
    """
    return chunk_size(block_size(shape, spec) if block == shape else block)


def chunk_size(block: Triple) -> Triple:
    """Divide a block into equal chunks of the output: no chunk belongs to two blocks."""
    chunk = list(block)
    while math.prod(chunk) > _CHUNK_VOXELS:
        even = [i for i in range(3) if chunk[i] % 2 == 0 and chunk[i] > 1]
        if not even:
            break
        axis = max(even, key=lambda i: chunk[i])
        chunk[axis] //= 2
    return chunk[0], chunk[1], chunk[2]


def _scaled(cells: Sequence[int], factor: Sequence[int]) -> Triple:
    z, y, x = (n * f for n, f in zip(cells, factor, strict=True))
    return z, y, x
