"""Names, parameters, and what importing costs."""

import subprocess
import sys

import pytest

from napari_densify.classical import METHODS, get_method
from napari_densify.classical.registry import resolve_parameters
from napari_densify.core.errors import InputError


def test_importing_loads_neither_scikit_learn_nor_torch_nor_scipy():
    code = (
        "import sys, napari_densify.classical as c; list(c.METHODS); "
        "print([m for m in ('sklearn', 'torch', 'scipy', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_declares_its_parameters(name):
    method = METHODS[name]
    model = method.settings
    assert callable(method.function)
    for field in model.model_fields.values():
        assert field.title
    for parameter, values in (item for space in method.search for item in space.items()):
        for value in values:
            resolve_parameters(method, {}, {parameter: value})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("random-forest", ("random_forest", {})),
        ("Otsu", ("threshold", {"algorithm": "otsu"})),
        ("multi_otsu", ("threshold", {"algorithm": "multi-otsu"})),
        ("canny", ("edges", {"operator": "canny"})),
    ],
)
def test_names_that_users_try(name, expected):
    method, preset = get_method(name)
    assert (method.name, preset) == expected


def test_a_lone_value_is_a_list_of_one():
    threshold = METHODS["threshold"]
    assert resolve_parameters(threshold, {}, {"values": 120}).values == (120,)


def test_unknown_names_list_those_there_are():
    with pytest.raises(InputError, match="watershed"):
        get_method("magic")
    with pytest.raises(InputError, match="compactness"):
        resolve_parameters(METHODS["watershed"], {}, {"compact": 1})
    with pytest.raises(InputError, match="sigma"):
        resolve_parameters(METHODS["threshold"], {}, {"sigma": -1})
