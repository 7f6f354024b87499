"""Which engine this user chose: remembered for the user, not for the project."""

from __future__ import annotations

from dataclasses import fields, replace

from qtpy.QtCore import QSettings

from napari_densify.core.errors import InputError
from napari_densify.plugin.engine_link import EngineLink

__all__ = ["keep_link", "kept_link"]

REST = "rest_minutes"

NAMES = tuple(field.name for field in fields(EngineLink) if field.name != REST)


def _settings() -> QSettings:
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-densify", "engine"
    )


def kept_link() -> EngineLink:
    """Return the link that the user set last; this machine where none is, or it is damaged."""
    settings = _settings()
    try:
        link = EngineLink(**{name: str(settings.value(name, "") or "") for name in NAMES})
        link = replace(link, rest_minutes=float(settings.value(REST, link.rest_minutes)))
        link.command  # noqa: B018  a prefix that can't be read counts as none
    except (InputError, TypeError, ValueError):
        return EngineLink()
    return link


def keep_link(link: EngineLink) -> None:
    """Remember a link for the next sessions of this user."""
    settings = _settings()
    for name in (*NAMES, REST):
        settings.setValue(name, getattr(link, name))
    settings.sync()
