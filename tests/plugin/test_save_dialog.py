from __future__ import annotations

import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_densify.plugin.save_dialog import ask_file

KINDS = {"TIFF (*.tif)": ".tif", "OME-Zarr (*.zarr)": ".zarr"}
TIFF, ZARR = KINDS


@pytest.fixture
def choose(qtbot, monkeypatch):
    """Ask for a file, and give a name and a kind as the answer."""
    parent = QWidget()
    qtbot.addWidget(parent)

    def answer(name, kind, known=(".tif", ".zarr", ".h5", ".nii.gz")):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(name), kind))
        return ask_file(parent, "Save", "labels", KINDS, known)

    return answer


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("labels", ZARR, "labels.zarr"),
        ("labels", TIFF, "labels.tif"),
        ("labels", "", "labels.tif"),
        ("labels.H5", ZARR, "labels.H5"),
        ("labels.nii.gz", TIFF, "labels.nii.gz"),
        ("a.b labels", ZARR, "a.b labels.zarr"),
    ],
)
def test_the_kind_gives_the_ending_and_a_typed_one_wins(choose, tmp_path, name, kind, expected):
    assert choose(tmp_path / name, kind) == tmp_path / expected


def test_any_ending_is_left_where_none_is_named(choose, tmp_path):
    assert choose(tmp_path / "scores.txt", TIFF, ()) == tmp_path / "scores.txt"


def test_nothing_chosen_is_none(choose):
    assert choose("", "") is None


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_is_not_replaced_unasked(choose, tmp_path, monkeypatch, replace):
    buttons = QMessageBox.StandardButton
    monkeypatch.setattr(QMessageBox, "question", lambda *a: buttons.Yes if replace else buttons.No)
    path = tmp_path / "labels.tif"
    path.touch()
    assert choose(tmp_path / "labels", TIFF) == (path if replace else None)
