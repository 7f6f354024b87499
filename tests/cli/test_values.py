from __future__ import annotations

import pytest

from napari_densify.cli.values import (
    given,
    only_one,
    parse_channels,
    parse_duration,
    parse_names,
    parse_slices,
    parse_spacing,
)
from napari_densify.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120s", 120), ("2m", 120), ("120", 120), ("1h30m", 5400), ("0.5 min", 30), ("1.5H", 5400)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "0", "2x", "2m!", "m", "1e3"])
def test_no_durations(text):
    with pytest.raises(InputError, match="not a duration"):
        parse_duration(text)


def test_no_time_at_all_where_that_means_something():
    assert parse_duration("0s", none=True) == 0
    for text in ("", "-5", "soon"):
        with pytest.raises(InputError, match=r"--tuning: .* not a duration"):
            parse_duration(text, where="--tuning", none=True)


@pytest.mark.parametrize(
    ("text", "slices"),
    [("3,5-7", (3, 5, 6, 7)), ("", ()), ("7, 3,3", (3, 7)), ("4-4", (4,)), ("0", (0,))],
)
def test_slices(text, slices):
    assert parse_slices(text) == slices


@pytest.mark.parametrize("text", ["7-5", "-3", "a", "3;5", "1.5"])
def test_no_slices(text):
    with pytest.raises(InputError, match="--held-out"):
        parse_slices(text)


@pytest.mark.parametrize(
    ("text", "nanometres"),
    [
        ("40,8,8", (40, 8, 8)),
        ("0.5,0.1,0.1um", (500, 100, 100)),
        ("1, 0.5, 0.5 µm", (1000, 500, 500)),
        ("1e-3,1e-3,1e-3mm", (1000, 1000, 1000)),
    ],
)
def test_spacing(text, nanometres):
    assert parse_spacing(text) == pytest.approx(nanometres)


@pytest.mark.parametrize("text", ["8,8", "8", "0,8,8", "-1,8,8", "a,b,c", "8,8,8parsec", "nan,1,1"])
def test_no_spacing(text):
    with pytest.raises(InputError, match="not a voxel size"):
        parse_spacing(text)


def test_channels_and_names():
    assert parse_channels("0, 2") == (0, 2)
    assert parse_names("otsu, watershed,") == ("otsu", "watershed")
    with pytest.raises(InputError, match="--channels"):
        parse_channels("red")


def test_an_option_left_out_is_none():
    assert given(parse_duration, "") is None
    assert given(parse_duration, "2m") == 120


def test_a_second_label_file_of_one_image_is_refused():
    assert only_one([]) == ""
    assert only_one(["a.tif"]) == "a.tif"
    with pytest.raises(InputError, match="2 label files for one image"):
        only_one(["a.tif", "b.tif"])
