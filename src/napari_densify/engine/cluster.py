"""Prediction on a dask cluster: this process hands out blocks, workers write them.

Blocks are whole chunks of the output, so no two workers ever touch the same file.
Only a few blocks a worker are handed out at a time; a worker that is lost costs
those that it was at, and what all have finished is in their journals.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_densify.core.blocks import Block, parse_region
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Event, Log, Notice, Progress
from napari_densify.core.requests import PredictRequest
from napari_densify.core.settings import PredictSettings, Triple
from napari_densify.core.volume import Volume

__all__ = ["ClusterJob", "cluster_job", "predict_on_cluster"]

# Blocks handed out for each worker: the next one waits where the last one ends.
_AHEAD = 2
_RETRIES = 2
_SLURM_JOBS = 4
_CONNECT_S = 20
_LISTEN_S = 0.5


@dataclass(frozen=True)
class ClusterJob:
    """What a worker is told: plain values, the same for all blocks of a volume.

    Attributes
    ----------
    token
        Tells this run from others on the same worker.
    image, model
        Addresses, as every worker can open them.
    outputs
        Paths of the zarrs by role.
    shape
        Voxels (Z, Y, X) of the volume.
    block
        Voxels (Z, Y, X) written at once, whole chunks of the outputs.
    settings
        Region, precision and so on.
    spacing
        Voxel size in nm, where the user stated it.
    """

    token: str
    image: str
    model: str
    outputs: Mapping[str, Path]
    shape: Triple
    block: Triple
    settings: PredictSettings
    spacing: tuple[float, float, float] | None = None


def cluster_job(
    request: PredictRequest,
    image: str,
    outputs: Mapping[Any, Path],
    volume: Volume,
    block: Triple,
    settings: PredictSettings,
) -> ClusterJob:
    """Describe a volume's prediction to workers, which may run in another folder."""
    return ClusterJob(
        token=uuid.uuid4().hex[:12],
        image=_absolute(image),
        model=os.path.abspath(request.model),
        outputs={role: path.resolve() for role, path in outputs.items()},
        shape=volume.shape,
        block=block,
        settings=settings,
        spacing=request.spacing,
    )


def _absolute(address: str) -> str:
    path, mark, dataset = address.partition("::")
    return (os.path.abspath(path) if os.path.exists(path) else path) + mark + dataset


def predict_on_cluster(
    job: ClusterJob, where: str, sinks: Mapping[str, Any], control: JobControl
) -> Iterator[Event]:
    """Predict a volume on a cluster.

    Parameters
    ----------
    job
        What to predict.
    where
        ``local`` (a process a core or GPU), ``slurm``, or a scheduler's address or file.
    sinks
        The outputs, already created.
    control
        Mailbox read between two blocks.

    Yields
    ------
    The dashboard's address, then ``Progress`` after each block.

    Raises
    ------
    InputError
        If there is no cluster, or it is lost on the way.
    """
    from distributed import CancelledError
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    with _connected(where, job.settings.workers) as client:
        yield Log(message=f"dashboard: {client.dashboard_link}")
        try:
            yield from _hand_out(client, job, sinks, control)
        except KilledWorker as error:
            raise InputError(
                f"several workers died at the same block ({error})",
                where=f"--cluster {where}",
                mend="look into the workers' logs (memory?), then go on with --resume",
            ) from error
        except (CancelledError, CommClosedError, TimeoutError) as error:
            raise InputError(
                "the scheduler was lost", where=f"--cluster {where}",
                mend="what was finished is kept: go on with --resume",
            ) from error  # fmt: skip


def _hand_out(
    client: Any, job: ClusterJob, sinks: Mapping[str, Any], control: JobControl
) -> Iterator[Event]:
    from distributed import wait

    from napari_densify.inference.order import BlockQueue, Grid

    region = parse_region(job.settings.region, job.shape) if job.settings.region else None
    grid = Grid(job.shape, job.block, region)
    done = {
        b.index for b in grid
        if job.settings.resume and all(s.is_done(b.index) for s in sinks.values())
    }  # fmt: skip
    queue = BlockQueue(grid, done)
    running: dict[Any, Block] = {}
    finished, total, started = 0, len(grid), time.monotonic()
    workers = 0
    while True:
        workers = yield from _count_workers(client, workers)
        while len(running) < _AHEAD * max(1, workers) and not control.stop:
            following = queue.take(control.view)
            if following is None:
                break
            future = client.submit(
                predict_block, job, following, pure=False, retries=_RETRIES,
                key=f"densify-{job.token}-{'-'.join(map(str, following.index))}",
            )  # fmt: skip
            running[future] = following
        if not running:
            return
        with contextlib.suppress(TimeoutError):  # look up now and then
            wait(list(running), timeout=_LISTEN_S, return_when="FIRST_COMPLETED")
        for future in [f for f in running if f.done()]:
            notices = future.result()
            block_done = running.pop(future)
            for sink in sinks.values():
                sink.done(block_done.index)
            for message in notices:
                yield Notice(level="warning", message=message)
            finished += 1
            eta = (time.monotonic() - started) / finished * (total - len(done) - finished)
            yield Progress(
                done=len(done) + finished, total=total, unit="blocks", eta_s=eta,
                message=f"predicting on {workers} workers",
            )  # fmt: skip


def _count_workers(client: Any, before: int) -> Any:
    """Return how many workers there are; a change is said."""
    status = getattr(client, "status", "running")
    if status not in ("running", "connecting"):
        raise TimeoutError(f"the client is {status}")
    count = len(client.scheduler_info(n_workers=-1)["workers"])
    if count != before:
        yield Log(message=f"{count} workers" if count else "waiting for workers")
    return count


@contextlib.contextmanager
def _connected(where: str, workers: int | None) -> Iterator[Any]:
    """Connect to a cluster that is there, or start one for the time being."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "dask.distributed is not installed", where="--cluster",
            mend='python -m pip install "napari-densify[cluster]"',
        ) from None  # fmt: skip
    with contextlib.ExitStack() as stack:
        if where == "local":
            cluster = stack.enter_context(_local(workers))
        elif where == "slurm":
            cluster = stack.enter_context(_slurm(workers))
        else:
            cluster = None
        try:
            if cluster is not None:
                client = Client(cluster)
            elif where.endswith(".json"):
                client = Client(scheduler_file=where, timeout=_CONNECT_S)
            else:
                client = Client(where, timeout=_CONNECT_S)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"no scheduler answers ({error})", where=f"--cluster {where}",
                mend="name local, slurm, or a scheduler's address such as tcp://HOST:8786",
            ) from None  # fmt: skip
        yield stack.enter_context(client)


def _local(workers: int | None) -> Any:
    """Start processes on this machine: one a GPU, or one a core."""
    from distributed import LocalCluster

    from napari_densify.inference.device import available_devices

    gpus = sum(name.startswith("cuda") for name in available_devices())
    count = workers or gpus or os.cpu_count() or 1
    threads = max(1, (os.cpu_count() or 1) // count)
    return LocalCluster(
        n_workers=count, threads_per_worker=threads, memory_limit=0, dashboard_address=":0"
    )


def _slurm(workers: int | None) -> Any:
    """Ask SLURM for jobs; partition, memory and cores come from dask's jobqueue.yaml."""
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise InputError(
            "dask-jobqueue is not installed", where="--cluster slurm",
            mend='python -m pip install "napari-densify[cluster]"',
        ) from None  # fmt: skip
    try:
        cluster = SLURMCluster()
    except (ValueError, OSError) as error:
        raise InputError(
            f"SLURM can't be asked ({error})", where="--cluster slurm",
            mend="set cores, memory and queue in ~/.config/dask/jobqueue.yaml",
        ) from None  # fmt: skip
    cluster.scale(jobs=workers or _SLURM_JOBS)
    return cluster


def predict_block(job: ClusterJob, block: Block) -> list[str]:
    """Predict and write one block, on a worker; what the user should know is returned."""
    from napari_densify.engine.cluster_worker import state_of

    return state_of(job).predict(block)
