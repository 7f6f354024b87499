from __future__ import annotations

from napari_densify.plugin.curves import CurvesWidget
from napari_densify.plugin.jobs import TrainingLog


def test_small_losses_are_not_shown_in_thousandths(qtbot):
    curves = CurvesWidget()
    qtbot.addWidget(curves)
    log = TrainingLog()
    log.seconds, log.loss = [1.0, 2.0, 3.0], [0.76, 0.75, 0.70]
    curves.show_log(log)
    curves.grab()
    axis = curves.plot.getPlotItem().getAxis("left")
    assert axis.labelUnitPrefix == ""
    assert axis.autoSIPrefixScale == 1
