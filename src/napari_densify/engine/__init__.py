"""Requests to jobs to events, without Qt."""

from napari_densify.engine.guard import guarded
from napari_densify.engine.jobs import run_job

__all__ = ["guarded", "run_job"]
