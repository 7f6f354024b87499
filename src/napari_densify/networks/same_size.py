"""Networks with valid convolutions behind the face of padded ones."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from napari_densify.core.settings import NetworkConfig
from napari_densify.networks.geometry import input_shape_for, valid_margin

__all__ = ["SameSize"]


class SameSize(nn.Module):
    """Gives logits as large as the input; within ``valid_margin`` of its border they are 0.

    Training and prediction treat every network alike: they read a halo of at least
    the margin, and ignore the logits there. An input of a size that the poolings
    don't divide is mirrored at its far end.

    Parameters
    ----------
    network
        What ``build_network(config)`` gave; one with ``same`` padding is passed through.
    config
        Its configuration.
    """

    def __init__(self, network: nn.Module, config: NetworkConfig) -> None:
        super().__init__()
        self.network = network
        self._config = config
        self._margin = valid_margin(config)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Map ``(N, C, Z, Y, X)`` to logits of the same spatial shape.

        Raises
        ------
        ValueError
            If the input is not larger than the margin.
        """
        if self._config.padding == "same":
            logits: Tensor | list[Tensor] = self.network(x)
            return logits
        shape = x.shape[2:]
        wanted = [n - 2 * m for n, m in zip(shape, self._margin, strict=True)]
        if min(wanted) < 1:
            raise ValueError(f"an input of {tuple(shape)} lies within the margin {self._margin}")
        legal = input_shape_for(self._config, wanted, at_least=shape)
        out = self.network(_mirror_end(x, legal))
        inner = out[:, :, : wanted[0], : wanted[1], : wanted[2]]
        mz, my, mx = self._margin
        return F.pad(inner, (mx, mx, my, my, mz, mz))


def _mirror_end(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    missing = [want - have for want, have in zip(shape, x.shape[2:], strict=True)]
    if not any(missing):
        return x
    z, y, x_ = missing
    fits = all(m < n for m, n in zip(missing, x.shape[2:], strict=True))
    return F.pad(x, (0, x_, 0, y, 0, z), mode="reflect" if fits else "replicate")
