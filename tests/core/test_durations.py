from __future__ import annotations

import pytest

from napari_densify.core.durations import say_duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.4, "4 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (-1, "0 s")],
)
def test_durations_in_words(seconds, words):
    assert say_duration(seconds) == words
