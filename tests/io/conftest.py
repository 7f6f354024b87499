from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest


@pytest.fixture
def stack() -> npt.NDArray[np.uint16]:
    """A (Z, Y, X) stack in which every voxel of a slice is different from its neighbours."""
    z, y, x = np.indices((9, 21, 34))
    return (z * 5000 + y * 101 + x * 3).astype(np.uint16)
