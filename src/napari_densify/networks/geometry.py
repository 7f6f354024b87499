"""Sizes of a network's input and output: plain arithmetic on its configuration."""

from __future__ import annotations

from collections.abc import Sequence

from napari_densify.core.errors import InputError
from napari_densify.core.settings import NetworkConfig, Triple

__all__ = [
    "input_shape_for",
    "level_strides",
    "output_shape",
    "receptive_radius",
    "valid_margin",
]


def level_strides(config: NetworkConfig) -> tuple[Triple, ...]:
    """Voxels (Z, Y, X) of the finest grid that one voxel of each level stands for."""
    strides: list[Triple] = [(1, 1, 1)]
    for pool in config.pools:
        strides.append(_triple(s * p for s, p in zip(strides[-1], pool, strict=True)))
    return tuple(strides)


def output_shape(config: NetworkConfig, input_shape: Sequence[int]) -> Triple:
    """Shape (Z, Y, X) of the logits for an input of shape (Z, Y, X).

    Raises
    ------
    InputError
        If a network with valid convolutions cannot take such an input: it is too
        small, or a pooling would meet an odd size.
    """
    if config.padding == "same":
        return _triple(int(n) for n in input_shape)
    sizes = [_valid_size(config, axis, int(n)) for axis, n in enumerate(input_shape)]
    if None in sizes:
        fit = input_shape_for(config, (1, 1, 1), at_least=input_shape)
        raise InputError(
            f"an input of {tuple(input_shape)} voxels does not fit the valid convolutions",
            mend=f"the next larger size that fits is {fit}",
        )
    return _triple(n for n in sizes if n is not None)


def input_shape_for(
    config: NetworkConfig, output: Sequence[int], *, at_least: Sequence[int] = (1, 1, 1)
) -> Triple:
    """Smallest legal input (Z, Y, X) whose output is at least ``output`` (Z, Y, X)."""
    if config.padding == "same":
        return _triple(max(int(a), int(b)) for a, b in zip(output, at_least, strict=True))
    shape = []
    for axis, (wanted, start) in enumerate(zip(output, at_least, strict=True)):
        size = max(int(start), 1)
        while (_valid_size(config, axis, size) or 0) < wanted:
            size += 1
        shape.append(size)
    return _triple(shape)


def valid_margin(config: NetworkConfig) -> Triple:
    """Voxels (Z, Y, X) lost on each side of a legal input; zeros for ``same`` padding."""
    legal = input_shape_for(config, (1, 1, 1))
    return _triple((n - m) // 2 for n, m in zip(legal, output_shape(config, legal), strict=True))


def receptive_radius(config: NetworkConfig) -> Triple:
    """Voxels (Z, Y, X) on each side that a convolution path can see: the ideal halo."""
    strides = level_strides(config)
    radius = [0, 0, 0]
    linear = config.architecture == "fcn" or config.up == "linear"
    for level, stride in enumerate(strides):
        convolutions = len(config.encoder[level])
        if config.architecture == "unet" and level < len(config.decoder):
            convolutions += len(config.decoder[level]) + (config.up == "resize_conv")
        dilation = config.dilations[level] if config.dilations else 1
        for axis in range(3):
            reach = config.kernels[level][axis] // 2 * dilation
            radius[axis] += convolutions * reach * stride[axis]
            if level < len(config.pools):
                pool = config.pools[level][axis]
                radius[axis] += (pool - 1) * stride[axis]
                radius[axis] += pool * stride[axis] if linear and pool > 1 else 0
    radius[0] += config.slice_context
    return _triple(radius)


def _valid_size(config: NetworkConfig, axis: int, size: int) -> int | None:
    loss = [len(c) * (k[axis] - 1) for c, k in zip(config.encoder, config.kernels, strict=True)]
    for lost, pool in zip(loss, config.pools, strict=False):
        size -= lost
        if size <= 0 or size % pool[axis]:
            return None
        size //= pool[axis]
    size -= loss[-1]
    for level in reversed(range(len(config.decoder))):
        size = size * config.pools[level][axis]
        size -= len(config.decoder[level]) * (config.kernels[level][axis] - 1)
    return size if size > 0 else None


def _triple(values: Sequence[int] | object) -> Triple:
    z, y, x = values  # type: ignore[misc]
    return int(z), int(y), int(x)
