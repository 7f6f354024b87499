"""Forms from settings models: one row a field, its title, tooltip, unit and bounds from there."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)
from superqt import QLabeledDoubleSlider, QLabeledSlider

from napari_densify.core.errors import InputError
from napari_densify.core.settings import Settings, apply_overrides

__all__ = ["SettingsForm", "choices_of"]

AUTO = "auto"
_SLIDER_SPAN = 500


def _strip_optional(annotation: Any) -> tuple[Any, list[Any], bool]:
    """Return the type inside ``Annotated`` and unions, its metadata, and if None is allowed."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        optional = len(inner) < len(get_args(annotation))
        kind, metadata, _ = _strip_optional(inner[0])
        return kind, metadata, optional
    if hasattr(annotation, "__metadata__"):
        kind, metadata, optional = _strip_optional(annotation.__origin__)
        return kind, [*annotation.__metadata__, *metadata], optional
    return annotation, [], False


def _bounds(metadata: Iterable[Any]) -> tuple[float | None, float | None]:
    low = high = None
    for entry in [e for m in metadata for e in (getattr(m, "metadata", None) or [m])]:
        if isinstance(entry, Ge | Gt):
            low = entry.ge if isinstance(entry, Ge) else entry.gt
        if isinstance(entry, Le | Lt):
            high = entry.le if isinstance(entry, Le) else entry.lt
    return low, high


class _Row:
    """A widget and how to read, write and watch it; None stands for *decide from the data*."""

    def __init__(self, widget: QWidget, signal: Any) -> None:
        self.widget = widget
        self.signal = signal

    def get(self) -> Any:
        raise NotImplementedError

    def set(self, value: Any) -> None:
        raise NotImplementedError


class _Check(_Row):
    def __init__(self) -> None:
        self.box = QCheckBox()
        super().__init__(self.box, self.box.toggled)

    def get(self) -> bool:
        return self.box.isChecked()

    def set(self, value: Any) -> None:
        self.box.setChecked(bool(value))


class _Choice(_Row):
    def __init__(self, values: list[Any], labels: list[str]) -> None:
        self.box = QComboBox()
        for value, label in zip(values, labels, strict=True):
            self.box.addItem(label, value)
        super().__init__(self.box, self.box.currentIndexChanged)

    def get(self) -> Any:
        return self.box.currentData()

    def set(self, value: Any) -> None:
        self.box.setCurrentIndex(max(0, self.box.findData(value)))


class _Number(_Row):
    """Spin box; one step below the least value reads *auto* where None is allowed."""

    def __init__(self, box: QSpinBox | QDoubleSpinBox, optional: bool) -> None:
        self.box = box
        self.optional = optional
        box.setKeyboardTracking(False)
        if optional:
            box.setMinimum(box.minimum() - box.singleStep())
            box.setSpecialValueText(AUTO)
        super().__init__(box, box.valueChanged)

    def get(self) -> Any:
        if self.optional and self.box.value() == self.box.minimum():
            return None
        return self.box.value()

    def set(self, value: Any) -> None:
        self.box.setValue(self.box.minimum() if value is None else value)


class _Slider(_Row):
    """Slider with its number beside it, for values between two bounds."""

    def __init__(self, kind: type, low: float, high: float) -> None:
        horizontal = Qt.Orientation.Horizontal
        self.box = QLabeledSlider(horizontal) if kind is int else QLabeledDoubleSlider(horizontal)
        self._kind = kind
        if kind is float:
            self.box.setDecimals(3 if high - low < 10 else 1)
        self.box.setRange(kind(low), kind(high))
        self.box.setMinimumWidth(110)
        super().__init__(self.box, self.box.valueChanged)

    def get(self) -> Any:
        return self._kind(self.box.value())

    def set(self, value: Any) -> None:
        self.box.setValue(self._kind(value))


class _Text(_Row):
    """Free text, read as the command line reads it.

    Empty it is *auto* where None is allowed, and otherwise no entries where it is a list.
    """

    def __init__(self, optional: bool, *, many: bool = False) -> None:
        self.box = QLineEdit()
        self.optional, self.many = optional, many
        if optional:
            self.box.setPlaceholderText(AUTO)
        super().__init__(self.box, self.box.editingFinished)

    def get(self) -> Any:
        text = self.box.text().strip()
        if text or not (self.optional or self.many):
            return text
        return None if self.optional else []

    def set(self, value: Any) -> None:
        if isinstance(value, list | tuple):
            value = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
        self.box.setText("" if value is None else f"{value:g}" if _is_float(value) else str(value))


def _is_float(value: Any) -> bool:
    return isinstance(value, float)


def _number_row(kind: type, low: float | None, high: float | None, optional: bool) -> _Row:
    if kind is int:
        box: QSpinBox | QDoubleSpinBox = QSpinBox()
        box.setRange(int(low or 0), int(min(high if high is not None else 10**9, 2**31 - 1)))
    elif optional or (high is not None and high <= 1):
        return _Text(optional)
    else:
        box = QDoubleSpinBox()
        box.setDecimals(3)
        box.setRange(low if low is not None else -1e9, high if high is not None else 1e9)
    return _Number(box, optional)


def choices_of(annotation: Any) -> list[Any]:
    """Values of a ``Literal``, None first if it is optional; empty for other types."""
    kind, _, optional = _strip_optional(annotation)
    if get_origin(kind) is not Literal:
        return []
    return ([None] if optional else []) + list(get_args(kind))


def _row_for(field: FieldInfo, sliders: bool) -> _Row:
    kind, metadata, optional = _strip_optional(field.annotation)
    low, high = _bounds([*field.metadata, *metadata])
    if sliders and kind in (int, float) and not optional and None not in (low, high):
        span = (low or 0.0, high or 0.0)
        if span[1] - span[0] <= _SLIDER_SPAN:
            return _Slider(kind, *span)
    if choices := choices_of(field.annotation):
        return _Choice(choices, [AUTO if c is None else str(c) for c in choices])
    if kind is bool:
        return _Choice([None, True, False], [AUTO, "on", "off"]) if optional else _Check()
    if kind in (int, float):
        return _number_row(kind, low, high, optional)
    return _Text(optional, many=get_origin(kind) in (list, tuple))


def _tooltip(name: str, field: FieldInfo) -> str:
    _, metadata, _ = _strip_optional(field.annotation)
    low, high = _bounds([*field.metadata, *metadata])
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    span = f"{low if low is not None else ''} to {high}" if high is not None else ""
    facts = "; ".join(filter(None, [span, f"in {unit}" if unit else ""]))
    text = (field.description or field.title or name).replace("None:", f"{AUTO}:")
    return f"{text} ({facts})" if facts else text


class SettingsForm(QWidget):
    """Edits a frozen settings model; invalid input is marked and never leaves the form.

    Parameters
    ----------
    settings
        Model to start from; its class says what rows there are.
    only
        Names of the fields to show, in this order; all of them by default.
    sliders
        Numbers between two bounds get a slider.
    """

    changed = Signal(object)
    """The new settings, valid."""

    def __init__(
        self, settings: Settings, only: Iterable[str] | None = None, *, sliders: bool = False
    ) -> None:
        super().__init__()
        self._sliders = sliders
        self._settings = settings
        self._rows: dict[str, _Row] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        fields = type(settings).model_fields
        for name in only or fields:
            self._add(layout, name, fields[name])
        self.set_value(settings)

    def _add(self, layout: QFormLayout, name: str, field: FieldInfo) -> None:
        row = _row_for(field, self._sliders)
        self._rows[name] = row
        row.widget.setObjectName(name)
        row.widget.setToolTip(_tooltip(name, field))
        layout.addRow(_label(name, field), row.widget)
        row.signal.connect(lambda *_: self._edited(name))

    def add_row(self, title: str, widget: QWidget) -> None:
        """Append a row that is no setting, in line with the others."""
        self.layout().addRow(title, widget)

    def row(self, name: str) -> QWidget:
        """Return the widget that edits a field."""
        return self._rows[name].widget

    def value(self) -> Settings:
        """Return the settings as last validly edited."""
        return self._settings

    def set_value(self, settings: Settings) -> None:
        """Show these settings, without saying that anything changed."""
        self._settings = settings
        for name, row in self._rows.items():
            row.widget.blockSignals(True)
            row.set(getattr(settings, name))
            row.widget.blockSignals(False)
            self._mark(name, "")

    def _edited(self, name: str) -> None:
        value = self._rows[name].get()
        try:
            if isinstance(value, str) and not _is_text(type(self._settings).model_fields[name]):
                new = apply_overrides(self._settings, [f"{name}={value}"])
            else:
                new = apply_overrides(self._settings, {name: value})
        except InputError as error:
            self._mark(name, error.what)
            return
        self._mark(name, "")
        if new != self._settings:
            self._settings = new
            self.changed.emit(new)

    def _mark(self, name: str, error: str) -> None:
        widget = self._rows[name].widget
        widget.setStyleSheet("border: 1px solid #d9534f;" if error else "")
        field = type(self._settings).model_fields[name]
        widget.setToolTip(error or _tooltip(name, field))


def _is_text(field: FieldInfo) -> bool:
    kind, _, _ = _strip_optional(field.annotation)
    return kind is str


def _label(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    title = field.title or name.replace("_", " ").capitalize()
    return f"{title} ({unit})" if unit else title
