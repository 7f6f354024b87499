"""Several networks that answer as one.

Networks trained on a few slices from different starts err differently where they have
seen little; the mean of their logits, which is the geometric mean of their
probabilities, is better than any of them.

References
----------
Lakshminarayanan, Pritzel & Blundell 2017, "Simple and scalable predictive uncertainty
estimation using deep ensembles", arXiv:1612.01474.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Committee", "first_member"]


class Committee(nn.Module):
    """Mean of the logits of its members, which are of one architecture.

    Parameters
    ----------
    members
        At least one network that gives a single tensor of logits in evaluation mode.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, Z, Y, X)`` to float32 logits ``(N, K, z, y, x)``."""
        total: Tensor = self.members[0](x)
        for member in self.members[1:]:
            total = total + member(x)
        return total if len(self.members) == 1 else torch.div(total, len(self.members))


def first_member(network: nn.Module) -> nn.Module:
    """Return the network itself, or the first one of a committee."""
    return network.members[0] if isinstance(network, Committee) else network
