"""Where the engine runs: a small dialog, kept for the user, not for the project."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_densify.core.errors import InputError
from napari_densify.plugin.engine_link import EngineLink
from napari_densify.plugin.step import hint

__all__ = ["EngineDialog"]

FIELDS = (
    (
        "prefix",
        "Command",
        "this Python",
        "Words that start Python where the engine is to run, for example "
        "ssh box /envs/densify/bin/python; empty: on this machine. Keys must be set up for ssh: "
        "it is never asked for a password",
    ),
    (
        "here",
        "Shared folder here",
        "same path on both",
        "Folder of image and project as this machine sees it; empty if both see the same path",
    ),
    ("there", "The same there", "same path on both", "That folder as the engine's machine sees it"),
)


class EngineDialog(QDialog):
    """Asks for the engine's command and the shared folder; refuses what cannot work.

    Parameters
    ----------
    link
        What is set now.
    parent
        Widget over which it opens.
    """

    def __init__(self, link: EngineLink, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Where the engine runs")
        self.setMinimumWidth(460)
        self.link = link
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.fields: dict[str, QLineEdit] = {}
        for name, title, placeholder, tip in FIELDS:
            field = QLineEdit(getattr(link, name))
            field.setObjectName(f"engine-{name}")
            field.setPlaceholderText(placeholder)
            field.setToolTip(tip)
            form.addRow(title, field)
            self.fields[name] = field
        self.rest = QSpinBox()
        self.rest.setObjectName("engine-rest")
        self.rest.setRange(0, 1440)
        self.rest.setSuffix(" min idle")
        self.rest.setSpecialValueText("never")
        self.rest.setValue(round(link.rest_minutes))
        self.rest.setToolTip(
            "End the engine when it had nothing to do for so many minutes: its memory, the GPU's "
            "too, is given back; it restarts when needed. 0: never"
        )
        form.addRow("Free memory after", self.rest)
        self.refusal = hint("", name="engine-refusal")
        self.refusal.hide()
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        body = QVBoxLayout(self)
        body.addWidget(
            hint("Image and project must lie in a folder that both machines can read and write.")
        )
        body.addLayout(form)
        body.addWidget(self.refusal)
        body.addWidget(buttons)

    def accept(self) -> None:
        """Take what was entered, or say why it cannot be."""
        try:
            texts = {name: field.text().strip() for name, field in self.fields.items()}
            link = EngineLink(**texts, rest_minutes=self.rest.value())
            link.command  # noqa: B018  raises where the prefix cannot be read
        except InputError as error:
            self.refusal.setText(str(error))
            self.refusal.show()
            return
        self.link = link
        super().accept()
