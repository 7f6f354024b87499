"""Volumes from a random generator, with perfect labels: for tests, trials and pretraining."""

from napari_densify.data.synthetic.volume import SYNTHETIC_KINDS, SyntheticKind, synthetic_volume

__all__ = ["SYNTHETIC_KINDS", "SyntheticKind", "synthetic_volume"]
