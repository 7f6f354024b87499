"""What simulated users train: a random forest on a volume's features, or the network."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_densify.classical.features import compute_features
from napari_densify.core.normalisation import measure_intensity, normalise
from napari_densify.core.settings import FeatureConfig
from napari_densify.core.volume import Volume
from napari_densify.evaluation.confusion import Confusion

__all__ = ["LEARNERS", "Forest", "Learner", "Network"]

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

_LOOKED_AT = 20_000
_SCORED = 20_000
_SAMPLES = 4_000


class Learner(Protocol):
    """Learns from paint, scores itself on slices set apart, shows probabilities."""

    steps: int
    shape: tuple[int, int, int]
    stride: int
    classes: tuple[int, ...]

    def __init__(self, volume: Volume, truth: Labels, scored: npt.NDArray, seed: int) -> None: ...
    def learn(self, paint: Labels) -> None:
        """Learn afresh from paint ``(Z, Y, X)``."""

    def dice(self) -> float:
        """Mean Dice on the slices set apart."""

    def probabilities(self) -> Floats:
        """``(K, Z, Y / stride, X / stride)`` of the whole volume."""


class Forest:
    """Extremely randomised trees on planar features, as the classical method."""

    steps = 0

    def __init__(self, volume: Volume, truth: Labels, scored: npt.NDArray, seed: int) -> None:
        self.shape = volume.shape
        self.classes = tuple(int(v) for v in np.unique(truth[truth > 0]))
        voxels = normalise(volume.read(), measure_intensity(volume))[0]
        self.bank = compute_features(voxels, FeatureConfig(), dtype=np.float16)
        self.stride = max(1, round((np.prod(volume.shape) / _LOOKED_AT) ** 0.5))
        self.seed = seed
        places = np.flatnonzero(truth[scored] > 0)
        random = np.random.default_rng(seed)
        if len(places) > _SCORED:
            places = random.choice(places, _SCORED, replace=False)
        self._scored = truth[scored].ravel()[places]
        self._scored_rows = self._rows(self.bank[:, scored], places)
        self._looked_at = self.bank[:, :, :: self.stride, :: self.stride]

    @staticmethod
    def _rows(bank: npt.NDArray[np.float16], places: npt.NDArray) -> Floats:
        return bank.reshape(len(bank), -1)[:, places].T.astype(np.float32)

    def learn(self, paint: Labels) -> None:
        """Learn afresh from paint ``(Z, Y, X)``."""
        from sklearn.ensemble import ExtraTreesClassifier

        random = np.random.default_rng(self.seed)
        found = [np.flatnonzero(paint == v) for v in self.classes]
        share = _SAMPLES // len(self.classes)
        picked = [random.choice(f, share, replace=False) if len(f) > share else f for f in found]
        self.rows = self._rows(self.bank, np.concatenate(picked))
        self.codes = np.concatenate(
            [np.full(len(p), v) for p, v in zip(picked, self.classes, strict=True)]
        )
        counts = np.array([max(len(f), 1) for f in found], float)
        weights = dict(zip(self.classes, (counts / counts.max()) ** 0.5, strict=True))
        drawn = dict(zip(self.classes, [max(len(p), 1) for p in picked], strict=True))
        most = max(drawn.values())
        self.model = ExtraTreesClassifier(
            25, min_samples_leaf=4, max_features=0.5, n_jobs=1, random_state=self.seed
        )
        self.model.fit(
            self.rows, self.codes,
            sample_weight=[weights[c] * most / drawn[c] for c in self.codes],
        )  # fmt: skip

    def dice(self) -> float:
        """Mean Dice on the slices set apart."""
        confusion = Confusion(self.classes)
        confusion.add(0, self.model.predict(self._scored_rows), self._scored)
        return confusion.rates.mean_dice

    def probabilities(self) -> Floats:
        """``(K, Z, Y / stride, X / stride)`` of the whole volume."""
        bank = self._looked_at
        table = bank.reshape(len(bank), -1).T.astype(np.float32)
        out = np.zeros((len(self.classes), len(table)), np.float32)
        known = [self.classes.index(int(c)) for c in self.model.classes_]
        out[known] = self.model.predict_proba(table).T
        return out.reshape(-1, *bank.shape[1:])


class Network:
    """The product's network with its own plan, a fixed number of steps."""

    steps = 60
    stride = 2

    def __init__(self, volume: Volume, truth: Labels, scored: npt.NDArray, seed: int) -> None:
        self.volume, self.shape, self.seed = volume, volume.shape, seed
        self.truth, self.scored = truth, scored
        self.classes = tuple(int(v) for v in np.unique(truth[truth > 0]))

    def learn(self, paint: Labels) -> None:
        """Learn afresh from paint ``(Z, Y, X)``."""
        from napari_densify.annotations import ArrayAnnotations
        from napari_densify.core.labels import ClassTable
        from napari_densify.core.settings import TrainSettings
        from napari_densify.inference.predictor import Predictor
        from napari_densify.networks import load_model
        from napari_densify.training import TrainingSource, train

        settings = TrainSettings(steps=self.steps, seed=self.seed, device="cpu")
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model.safetensors"
            source = TrainingSource(self.volume, ArrayAnnotations(paint))
            table = ClassTable.from_values(self.classes)
            for _ in train([source], settings, output=target, classes=table):
                pass
            model = load_model(target)
        import torch

        self.predictor = Predictor(
            model.network, model.spec, self.volume, device=torch.device("cpu")
        )
        self.table = model.spec.classes.values

    def _predict(self, z: int) -> Floats:
        _, y, x = self.shape
        found = self.predictor.predict_region((slice(z, z + 1), slice(0, y), slice(0, x)))[:, 0]
        out = np.zeros((len(self.classes), y, x), np.float32)
        out[[self.classes.index(v) for v in self.table]] = found
        return out

    def dice(self) -> float:
        """Mean Dice on the slices set apart."""
        confusion = Confusion(self.classes)
        for z in self.scored:
            labels = np.asarray(self.classes)[self._predict(int(z)).argmax(0)]
            confusion.add(int(z), labels, self.truth[z])
        return confusion.rates.mean_dice

    def probabilities(self) -> Floats:
        """``(K, Z, Y / stride, X / stride)`` of the whole volume."""
        planes = [self._predict(z)[:, :: self.stride, :: self.stride] for z in range(self.shape[0])]
        return np.stack(planes, 1)


LEARNERS: dict[str, type[Learner]] = {"forest": Forest, "network": Network}
