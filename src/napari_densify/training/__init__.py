"""Training from sparse labels."""

from napari_densify.training.plan import TrainPlan, resolve_plan
from napari_densify.training.trainer import Extras, TrainingSource, train

__all__ = ["Extras", "TrainPlan", "TrainingSource", "resolve_plan", "train"]
