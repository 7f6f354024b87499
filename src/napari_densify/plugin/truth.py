"""What a comparison is scored on: held-out paint, or a label layer of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QWidget

from napari_densify.core.volume import ArrayLike, Spacing
from napari_densify.io import write_labels
from napari_densify.plugin.candidates import stack_of
from napari_densify.plugin.step import narrow
from napari_densify.plugin.workbench import Workbench

__all__ = ["TruthChoice", "write_truth"]

_HELD_OUT = "held-out paint"


class TruthChoice(QWidget):
    """Offers the layers of the volume's shape, and asks whether 0 is background in them.

    Parameters
    ----------
    bench
        Session and viewer.
    """

    changed = Signal()

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        self.layer = QComboBox()
        self.layer.setObjectName("truth")
        narrow(self.layer)
        self.layer.setToolTip("What is scored: held-out paint, or a dense truth that you have")
        self.layer.currentIndexChanged.connect(self._chosen)
        self.zero = QCheckBox("0 is background")
        self.zero.setObjectName("truth-zero")
        self.zero.setToolTip("Tick it for a 0/1 mask; otherwise voxels of value 0 are not scored")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Score on", self.layer)
        form.addRow("", self.zero)
        self.sync()

    @property
    def chosen(self) -> Labels | None:
        """The layer to score on; None for held-out paint."""
        return self.layer.currentData()

    def sync(self, *_: Any) -> None:
        """Offer the user's own label layers of the volume's shape."""
        viewer = self.bench.canvas.viewer
        if viewer is None:
            return
        kept = self.chosen
        self.layer.blockSignals(True)
        self.layer.clear()
        self.layer.addItem(_HELD_OUT, None)
        for layer in viewer.layers:
            if self._is_offered(layer):
                self.layer.addItem(layer.name, layer)
        found = (i for i in range(self.layer.count()) if self.layer.itemData(i) is kept)
        self.layer.setCurrentIndex(next(found, 0))
        self.layer.blockSignals(False)
        self._chosen()

    def _is_offered(self, layer: Any) -> bool:
        own = isinstance(layer, Labels) and "densify" not in layer.metadata
        return own and tuple(stack_of(layer).shape) == self.bench.session.shape

    def _chosen(self, *_: Any) -> None:
        self.zero.setVisible(self.chosen is not None)
        self.changed.emit()


def write_truth(stack: ArrayLike, folder: Path, spacing: Spacing, *, spacing_known: bool) -> str:
    """Write a truth ``(Z, Y, X)`` where the engine reads it; return its path.

    Parameters
    ----------
    stack
        Labels.
    folder
        Folder of the comparison, made if it is missing.
    spacing, spacing_known
        Voxel size (Z, Y, X) in nm; not written if it is only assumed.

    Raises
    ------
    InputError
        If it holds values that are no label codes, or cannot be written.
    """
    folder.mkdir(exist_ok=True)
    path = folder / "truth-layer.zarr"
    return str(write_labels(path, stack, spacing=spacing, spacing_known=spacing_known))
