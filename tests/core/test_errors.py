from __future__ import annotations

import pytest

from napari_densify.core.errors import InputError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("it is empty"), "it is empty"),
        (InputError("it is empty", where="a.tif"), "a.tif: it is empty"),
        (InputError("it is empty", mend="fill it"), "it is empty; fill it"),
        (InputError("is empty", where="a.tif", mend="fill it"), "a.tif: is empty; fill it"),
    ],
)
def test_an_input_error_says_what_where_and_how_to_mend_it(error, line):
    assert str(error) == line
