"""A project whose image was moved asks where it is, and opens when told."""

from __future__ import annotations

import numpy as np
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_densify.project import Project


def test_an_image_that_was_moved_is_asked_for(hands, image_file, qtbot, monkeypatch, tmp_path):
    folder = tmp_path / "umgezogen.densify"
    Project.create(folder, shape=(8, 48, 48), image=str(image_file)).close()
    other = image_file.with_name("andere.npy")
    np.save(other, np.zeros((8, 48, 48), np.uint8))
    moved = tmp_path / "woanders.tif"
    image_file.rename(moved)
    answers = iter([str(other), str(moved)])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (next(answers), ""))

    def answer():
        hands.dock.step("Volume").open_path(str(folder))
        qtbot.waitUntil(lambda: asked() is not None, timeout=20000)
        box = asked()
        assert image_file.name in box.text()
        assert "Where is the image now?" in box.text()
        hands.click(next(b for b in box.buttons() if b.text() == "Find file…"))

    def asked():
        boxes = hands.dock.findChildren(QMessageBox, "image-elsewhere")
        return next((b for b in boxes if b.isVisible()), None)

    said = []
    hands.session.said.connect(lambda level, text: said.append(text))
    answer()
    qtbot.waitUntil(lambda: any("another image" in t for t in said), timeout=20000)
    assert hands.session.project is None
    answer()
    qtbot.waitUntil(lambda: hands.session.project is not None, timeout=20000)
    assert hands.session.project.image().source.endswith("woanders.tif")
