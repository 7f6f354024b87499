from __future__ import annotations

from napari_densify.plugin.voxel_size import VoxelSize


def test_an_edge_that_was_not_edited_keeps_every_digit(qtbot):
    size = VoxelSize()
    qtbot.addWidget(size)
    for exact in ((7.0, 7.0, 7.0), (45.056, 3.9961, 0.004)):
        size.show_value(exact)
        assert size.value() == exact
    size.boxes[0].setValue(50.25)
    assert size.value() == (50.25, 3.9961, 0.004)
