"""Asking for a file to write to, with the ending of the kind that was chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

__all__ = ["ask_file"]


def ask_file(
    parent: QWidget,
    title: str,
    start: Path | str,
    kinds: Mapping[str, str],
    known: Collection[str] = (),
) -> Path | None:
    """Ask where to write; a name without a known ending gets that of the chosen kind.

    Parameters
    ----------
    parent, title
        Of the dialog.
    start
        Proposed name; with an ending it would win over the chosen kind.
    kinds
        Kinds of file, as Qt's filters, and the ending of each.
    known
        Endings that are left as they were typed; any by default.

    Returns
    -------
    Path or None
        None if the user thinks better of it.
    """
    name, kind = QFileDialog.getSaveFileName(parent, title, str(start), ";;".join(kinds))
    if not name:
        return None
    path = Path(name)
    if name.lower().endswith(tuple(known)) if known else path.suffix:
        return path
    path = path.with_name(path.name + kinds.get(kind, next(iter(kinds.values()))))
    # Qt has asked about the name as it was typed, not about this one.
    return path if not path.exists() or _may_replace(parent, path) else None


def _may_replace(parent: QWidget, path: Path) -> bool:
    answer = QMessageBox.question(
        parent, "Replace file", f"{path.name} exists already. Replace it?"
    )
    return bool(answer == QMessageBox.StandardButton.Yes)
