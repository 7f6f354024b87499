"""Prediction of volumes of any size."""
