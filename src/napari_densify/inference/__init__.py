"""Prediction of volumes of any size."""

from napari_densify.inference.device import select_device
from napari_densify.inference.predictor import Predictor
from napari_densify.inference.volume import Outputs, predict_volume

__all__ = ["Outputs", "Predictor", "predict_volume", "select_device"]
