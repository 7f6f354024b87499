from __future__ import annotations

import pytest

from napari_densify.io._units import resolve_spacing, to_nm


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (4, "nm", 4),
        (0.5, " Micron ", 500),
        ("0.25", "\\u00B5m", 250),
        (2, "\N{GREEK SMALL LETTER MU}m", 2000),
        (2, "\N{MICRO SIGN}m", 2000),
        (3, "\N{ANGSTROM SIGN}", 0.3),
        (3, "angstrom", 0.3),
        (1, "mm", 1e6),
        (1, "pixel", None),
        (1, None, None),
        (0, "nm", None),
        (-1, "nm", None),
        (float("nan"), "nm", None),
        (float("inf"), "nm", None),
        (1e300, "m", None),
        ("x", "nm", None),
        (None, "nm", None),
        ((1, 2), "nm", None),
    ],
)
def test_lengths_in_nm(value, unit, expected):
    assert to_nm(value, unit) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("stated", "depth", "spacing", "known"),
    [
        ((40.0, 4.0, 5.0), 9, (40, 4, 5), True),
        ((None, 4.0, 5.0), 9, (4, 4, 5), False),
        ((None, 4.0, 5.0), 1, (4, 4, 5), True),
        ((40.0, None, 5.0), 9, (40, 5, 5), True),
        ((40.0, None, None), 9, (1, 1, 1), False),
        ((None, None, None), 9, (1, 1, 1), False),
    ],
)
def test_what_is_not_stated_is_said(stated, depth, spacing, known):
    found, is_known, notes = resolve_spacing(stated, (depth, 20, 30))
    assert found == spacing
    assert is_known == known
    assert bool(notes) == (not known)
