"""Batch normalisation with fixed statistics, folded into the convolution before it."""

from __future__ import annotations

from copy import deepcopy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_norms"]


def fold_norms(network: nn.Module) -> nn.Module:
    """Return a copy that gives the same (to rounding) with fewer passes over memory.

    Scale and shift of a batch normalisation are constants in prediction, so they
    can be multiplied into the weights of the convolution that feeds it. Norms that
    measure their input (group, instance, batch statistics) stay.

    Parameters
    ----------
    network
        Network in evaluation mode; it isn't changed.
    """
    folded = deepcopy(network)
    for chain in [m for m in folded.modules() if isinstance(m, nn.Sequential)]:
        for index in range(len(chain) - 1):
            convolution, norm = chain[index], chain[index + 1]
            if not isinstance(convolution, nn.Conv3d) or not isinstance(norm, nn.BatchNorm3d):
                continue
            if norm.track_running_stats and not norm.training:
                chain[index] = fuse_conv_bn_eval(convolution, norm)
                chain[index + 1] = nn.Identity()
    return folded
