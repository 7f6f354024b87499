from __future__ import annotations

import pytest

from napari_densify.core.sizes import say_bytes


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (999_600, "1 MB"), (3_140_000, "3.14 MB"),
     (2**30, "1.07 GB"), (10**18, "1000 PB")],
)  # fmt: skip
def test_sizes_in_words(count, words):
    assert say_bytes(count) == words
