from __future__ import annotations

import pytest

from napari_densify.core.labels import ClassTable
from napari_densify.plugin.class_table import add_class, remove_class, replace_class


def test_a_new_class_takes_the_lowest_free_value():
    table = remove_class(add_class(ClassTable.default()), 2)
    assert table.values == (1, 3)
    assert add_class(table).values == (1, 2, 3)


def test_only_one_class_is_background():
    table = replace_class(ClassTable.default(), 2, background=True)
    assert [c.background for c in table.classes] == [False, True]


def test_a_key_belongs_to_one_class():
    table = replace_class(ClassTable.default(), 2, key="1")
    assert [c.key for c in table.classes] == ["", "1"]


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="name"):
        replace_class(ClassTable.default(), 2, name="")
