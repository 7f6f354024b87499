"""Augmented patches are asked of the engine with the settings on screen, and shown."""

from __future__ import annotations

from napari_densify.plugin.asking import PATCHES


def picture_size(hands) -> tuple[int, int]:
    size = hands.dock.step("Train").patches.picture.pixmap().size()
    return size.height(), size.width()


def test_patches_are_drawn_and_drawn_again(hands, wait_for):
    hands.open_project()
    hands.paint(3)
    hands.dock.parts["Train"].expand()
    step = hands.dock.step("Train")
    seed = step.more.row("seed")
    seed.setValue(7)
    hands.click(step.show_patches)
    hands.idle()
    painted = 10 * sum(hands.session.counts().values())
    assert step.patches.isVisible()
    assert picture_size(hands) == (27, painted)  # of that seed, and every stroke was on disk
    hands.click(step.patches.again)
    hands.idle()
    assert picture_size(hands) == (28, painted)
    assert not (hands.session.project.path / PATCHES).exists()
    assert not hands.session.project.history()
    step.patches.close()


def test_without_paint_it_says_why_and_asks_nothing(hands):
    hands.open_project()
    said = []
    hands.session.said.connect(lambda level, text: said.append((level, text)))
    hands.dock.parts["Train"].expand()
    step = hands.dock.step("Train")
    hands.click(step.show_patches)
    assert hands.session.job is None
    level, text = said[-1]
    assert level == "warning"
    assert "paint" in text
    assert not step.patches.isVisible()


def test_only_the_step_that_asked_shows_them(hands, viewer):
    _, other = viewer.window.add_plugin_dock_widget("napari-densify", "3 Train")
    hands.open_project()
    hands.paint(3)
    step, also = hands.dock.step("Train"), other.steps[0]
    also.patches.draw()
    hands.idle()
    assert also.patches.isVisible()
    assert also.patches.picture.pixmap().height() > 0
    assert not step.patches.isVisible()
    also.patches.close()
