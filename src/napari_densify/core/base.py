"""Base of every settings model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Settings"]


class Settings(BaseModel):
    """Base of every settings model: immutable, no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
