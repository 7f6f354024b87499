"""Buttons of the painting aids, and what is proposed between two slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_densify.plugin.painter import KEYS
from napari_densify.plugin.step import Step, button, collapsible, hint
from napari_densify.plugin.workbench import Workbench

__all__ = ["AidsPanel"]

AIDS = (("fill", "Rest is background", "Paint what is unpainted of this slice as background"),)
MORE = (
    ("accept", "Accept slice", "Copy the prediction shown into the unpainted rest of this slice"),
    ("brush", "Copy by brush", "Paint with the prediction shown: what the brush runs over is "
     "copied, where nothing is painted yet"),
    ("object", "Copy object", "Click on predicted objects of this slice to copy them; the key "
     "copies the one under the pointer"),
    ("propose", "Interpolate", "Propose labels for the slices between two painted ones, by "
     "signed distance; nothing is paint before you accept it"),
    ("erase", "Erase slice", "Make this slice unlabelled again; for parts of it take napari's "
     "eraser"),
)  # fmt: skip


class AidsPanel(Step):
    """Buttons with their keys, most of them folded; a row for a proposal when there is one."""

    title = "Aids"

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self.painter, self.proposal = bench.painter, bench.proposal
        self.body.setContentsMargins(0, 0, 0, 0)
        self._build_buttons()
        self._build_proposal()
        self._sync_tool(self.painter.tool)
        self._sync_proposal()
        self.listen(self.painter.tool_changed, self._sync_tool)
        self.listen(self.proposal.changed, self._sync_proposal)

    def _build_buttons(self) -> None:
        self.aids: dict[str, QPushButton] = {}
        undo = button(
            "Undo (Ctrl+Z)", "Take the last stroke or aid back", self._undo, name="aid-undo"
        )
        self.body.addLayout(_two_columns([*map(self._aid, AIDS), undo]))
        self.aids["undo"] = undo
        more = QWidget()
        more.setLayout(_two_columns([self._aid(row) for row in MORE]))
        for name in ("brush", "object"):
            self.aids[name].setCheckable(True)
        self.body.addWidget(collapsible("More painting tools", more))

    def _aid(self, row: tuple[str, str, str]) -> QPushButton:
        name, text, tip = row
        painter = self.painter
        action = {
            "accept": painter.accept_slice,
            "fill": painter.fill_rest,
            "brush": painter.toggle_brush,
            "object": painter.toggle_pick,
            "propose": self.proposal.make,
            "erase": painter.erase_slice,
        }[name]
        made = button(
            f"{text} ({KEYS[name].replace('-', '+')})",
            f"{tip} (key {KEYS[name].replace('-', '+')}; one undo step)",
            lambda: self._do(action),
            name=f"aid-{name}",
        )
        self.aids[name] = made
        return made

    def _build_proposal(self) -> None:
        self.proposed = hint("", name="proposed")
        self.accept = button(
            f"Accept ({KEYS['accept_proposal']})",
            "Make the proposal paint, where nothing is painted yet (one undo step)",
            lambda: self._do(self.proposal.accept),
            name="accept-proposal",
        )
        self.reject = button(
            f"Reject ({KEYS['reject_proposal'].replace('-', '+')})",
            "Take the proposal away",
            self.proposal.discard,
            name="reject-proposal",
        )
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.accept)
        row.addWidget(self.reject)
        self.answer = QWidget()
        self.answer.setLayout(row)
        self.body.addWidget(self.proposed)
        self.body.addWidget(self.answer)

    def _sync_tool(self, tool: str) -> None:
        for name in ("brush", "object"):
            self.aids[name].setChecked(tool == name)

    def _sync_proposal(self) -> None:
        text = self.proposal.describe()
        self.proposed.setText(text)
        self.proposed.setVisible(bool(text))
        self.answer.setVisible(self.proposal.edit is not None)

    def _do(self, action: Any) -> None:
        self.painter.attempt(action)
        self._sync_tool(self.painter.tool)

    def _undo(self) -> None:
        self._do(self.painter.undo)


def _two_columns(buttons: Sequence[QPushButton]) -> QGridLayout:
    grid = QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setSpacing(4)
    for number, made in enumerate(buttons):
        made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        grid.addWidget(made, number // 2, number % 2)
    return grid
