from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QStyle, QStyleOptionSlider

from napari_densify.core.blocks import bounds_of


@pytest.fixture
def looking(hands, wait_for):
    """What the engine is told about the screen, after the user did something."""
    hands.open_project()
    told = []
    hands.bench.client.tell = lambda message: told.extend([message] * (message.kind == "view"))
    canvas = hands.bench.canvas

    def after(action):
        told.clear()
        action()
        wait_for(
            lambda: (
                bool(told)
                and told[-1].generation == canvas.generation
                and told[-1].region == bounds_of(canvas.visible_region())
            )
        )
        return told[-1]

    return canvas.viewer.dims, hands.session.shape, after


def test_rolled_axes_ask_for_the_plane_on_screen_and_for_the_two_across_it(looking):
    dims, shape, after = looking
    dims.current_step = (2, 20, 30)
    view = after(dims.roll)
    axis = dims.order[0]
    assert axis != 0
    spans = [n[1] - n[0] for n in view.region]
    assert [i for i, n in enumerate(spans) if n == 1] == [axis]
    thin = [next(i for i, (a, b) in enumerate(p) if b - a == 1) for p in view.beside]
    assert sorted([axis, *thin]) == [0, 1, 2]
    for plane, across in zip(view.beside, thin, strict=True):
        assert plane[across][0] == dims.current_step[across]
        assert plane[axis] == (0, shape[axis])


def test_transposed_axes_ask_for_the_same_slice(looking):
    dims, shape, after = looking
    z = (int(dims.current_step[0]) + 1) % shape[0]
    assert after(lambda: dims.set_current_step(0, z)).region[0] == (z, z + 1)
    assert after(dims.transpose).region[0] == (z, z + 1)


def test_the_3d_view_asks_for_its_box_and_for_nothing_beside_it(looking):
    dims, shape, after = looking
    view = after(lambda: setattr(dims, "ndisplay", 3))
    assert view.region == tuple((0, n) for n in shape)
    assert view.beside == ()


def test_the_slice_is_the_images_whatever_other_layers_lie_beside_it(hands):
    hands.open_project()
    canvas, viewer = hands.bench.canvas, hands.bench.canvas.viewer
    z, y, x = canvas.image_layer.scale
    viewer.add_image(np.zeros((90, 8, 8)), scale=(z / 5, y / 2, x), translate=(-2 * z, 0, 0),
                     units=("nm",) * 3)  # fmt: skip
    canvas.go_to_slice(4)
    assert viewer.dims.point[0] == pytest.approx(4 * z)
    assert canvas.current_slice == 4
    assert canvas.plane_on_screen() == ("XY", 4)
    assert canvas.visible_region()[0] == slice(4, 5)
    canvas.point.go_to("XZ", 7)
    assert viewer.dims.point[1] == pytest.approx(7 * y)
    assert canvas.plane_on_screen() == ("XZ", 7)
    assert canvas.visible_region()[:2] == (slice(0, hands.session.shape[0]), slice(7, 8))
    assert [box for box in canvas.planes_beside() if box[0] == slice(4, 5)]


def test_a_layer_in_another_unit_does_not_move_the_slice(hands):
    hands.open_project()
    canvas, viewer = hands.bench.canvas, hands.bench.canvas.viewer
    viewer.add_image(np.zeros((30, 8, 8)), scale=(100.0,) * 3, units=("angstrom",) * 3)
    canvas.go_to_slice(4)
    assert viewer.dims.point[0] == pytest.approx(10 * 4 * canvas.image_layer.scale[0])
    assert canvas.current_slice == 4
    assert canvas.visible_region()[0] == slice(4, 5)


def test_marks_stay_over_the_images_slices_beside_a_longer_layer(hands, wait_for):
    hands.open_project()
    canvas, marks = hands.bench.canvas, hands.dock.step("Annotate").marks
    bar = marks._sliders.slider_widgets[0].slider
    length, step = hands.session.shape[0], hands.session.project.spacing[0]

    def off():
        """Pixels between the mark of a slice and the handle that shows it, at the most."""
        found = []
        for z in (0, length // 2, length - 1):
            canvas.go_to_slice(z)
            middle = round(marks.strip.middle_of(z))
            mark = marks.strip.mapToGlobal(QPoint(middle, 0)).x()
            found.append(abs(mark - bar.mapToGlobal(_handle(bar).center()).x()))
        return max(found)

    wait_for(lambda: off() <= 2)
    longer = canvas.viewer.add_image(
        np.zeros((4 * length, 8, 8)),
        scale=canvas.image_layer.scale,
        translate=(-length * step, 0, 0),
    )
    wait_for(lambda: off() <= 2)
    assert marks.strip.width() < bar.width() / 3
    canvas.viewer.layers.remove(longer)
    wait_for(lambda: off() <= 2)


def _handle(bar):
    option = QStyleOptionSlider()
    bar.initStyleOption(option)
    return bar.style().subControlRect(
        QStyle.ComplexControl.CC_ScrollBar, option, QStyle.SubControl.SC_ScrollBarSlider, bar
    )
