"""What a worker of a cluster keeps from one block to the next: model, volume, outputs."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from napari_densify.core.blocks import Block
from napari_densify.engine.fitting import fit
from napari_densify.engine.sources import open_volume
from napari_densify.inference.device import available_devices, select_device
from napari_densify.inference.volume import make_predictor
from napari_densify.inference.writing import Outputs, Pieces
from napari_densify.io import ZarrPart
from napari_densify.networks import load_model

if TYPE_CHECKING:
    from napari_densify.engine.cluster import ClusterJob

__all__ = ["state_of"]

_lock = threading.Lock()
_states: dict[str, _State] = {}


def state_of(job: ClusterJob) -> _State:
    """Return the worker's state for a run, made at its first block."""
    with _lock:
        if job.token not in _states:
            _states.clear()  # of earlier runs
            _states[job.token] = _State(job)
        return _states[job.token]


class _State:
    """One predictor, used by one block at a time: it computes with all the worker's threads."""

    def __init__(self, job: ClusterJob) -> None:
        name, threads = _worker()
        settings = job.settings.model_copy(
            update={
                "threads": job.settings.threads or threads,
                "device": _device(job.settings.device, name),
            }
        )
        model = load_model(job.model)
        volume = open_volume(
            job.image, spacing=job.spacing, level=settings.level, channels=model.spec.channels
        )
        fitted = fit(volume, model.spec, settings)
        # Three axes at once are for volumes that are computed whole.
        spec = fitted.spec.model_copy(update={"triplanar": False})
        self._predictor = make_predictor(model.network, spec, volume, settings, extra=model.extra)
        parts = {role: ZarrPart(path, name) for role, path in job.outputs.items()}
        self._outputs = Outputs(**parts)
        self._busy = threading.Lock()

    def predict(self, block: Block) -> list[str]:
        """Predict and write one block, unless a worker that was lost has done so."""
        with self._busy:
            if self._outputs.is_done(block.index):
                return []
            pieces = Pieces.empty(block, self._predictor.spec, outputs=self._outputs)
            for tile in self._predictor.tiles(block.write):
                pieces.add(tile, self._predictor.predict_region(tile))
            pieces.write(self._outputs)
            return self._predictor.take_notices()


def _worker() -> tuple[str, int]:
    """Name of this worker, fit for a file name and like no other, and its threads."""
    from distributed import get_worker

    worker = get_worker()
    name = f"{worker.name}-{worker.id}"
    return re.sub(r"[^\w-]", "_", name), int(worker.state.nthreads)


def _device(wanted: str, name: str) -> str:
    """One GPU a worker where a machine has several and the user left it open."""
    gpus = [d for d in available_devices() if d.startswith("cuda")]
    number = re.match(r"\d+", name)
    if wanted == "auto" and len(gpus) > 1 and number:
        return gpus[int(number.group()) % len(gpus)]
    return str(select_device(wanted))
