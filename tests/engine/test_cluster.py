"""Blocks on a real scheduler with real worker processes, some of them killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import zarr

from napari_densify.core.blocks import Block, full_region
from napari_densify.core.control import JobControl
from napari_densify.core.errors import InputError
from napari_densify.core.events import Event, Log
from napari_densify.core.labels import ClassTable
from napari_densify.core.model import ModelSpec
from napari_densify.core.requests import PredictRequest
from napari_densify.core.settings import NetworkConfig, PredictSettings
from napari_densify.engine.jobs import run_job
from napari_densify.io import ZarrPart, create_sink, open_image, write_volume
from napari_densify.networks import build_network, save_model

distributed = pytest.importorskip("distributed")

CONFIG = NetworkConfig(
    encoder=((4,),), decoder=(), kernels=((1, 3, 3),), pools=(), norm="none", out_channels=2
)
SPEC = ModelSpec(
    network=CONFIG, classes=ClassTable.from_values([2, 5]), spacing=(1, 1, 1), context=(0, 2, 2)
)
SETTINGS = PredictSettings(block=(1, 16, 16), device="cpu", precision="float32", threads=1)
ROLES = ("labels", "probabilities", "uncertainty")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path / "m.safetensors", build_network(CONFIG).state_dict(), SPEC)
    image = np.random.default_rng(0).integers(0, 255, (4, 48, 48)).astype(np.uint8)
    write_volume(tmp_path / "image.zarr", image)
    return tmp_path


def request(folder: Path, name: str, cluster: str = "", **more: object) -> PredictRequest:
    return PredictRequest(
        images=(str(folder / "image.zarr"),),
        model=str(folder / "m.safetensors"),
        **{role.replace("labels", "output"): str(folder / f"{name}-{role}.zarr") for role in ROLES},
        settings=SETTINGS.model_copy(update=more),
        cluster=cluster,
    )


def result(folder: Path, name: str) -> list[np.ndarray]:
    return [open_image(folder / f"{name}-{role}.zarr").read() for role in ROLES]


def run_to_end(wanted: PredictRequest, control: JobControl | None = None) -> list:
    return list(run_job(wanted, control or JobControl()))


def start_worker(folder: Path, address: str, name: str) -> subprocess.Popen:
    words = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--name", name]
    return subprocess.Popen(
        [sys.executable, "-m", *words, "--no-nanny", "--no-dashboard", "--memory-limit", "0"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.slow
def test_local_workers_give_the_same_bytes_as_one_process(files: Path) -> None:
    run_to_end(request(files, "alone"))
    events = run_to_end(request(files, "both", "local", workers=2))
    assert any("dashboard: http" in getattr(e, "message", "") for e in events)
    assert [e.done for e in events if e.kind == "progress"][-1] == 36
    for one, other in zip(result(files, "alone"), result(files, "both"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_killed_worker_a_client_that_goes_and_a_new_scheduler(files: Path) -> None:
    run_to_end(request(files, "alone"))
    quiet = {"processes": True, "n_workers": 0, "dashboard_address": None}
    control = JobControl()
    with distributed.LocalCluster(**quiet) as first:
        workers = [start_worker(files, first.scheduler_address, n) for n in ("a", "b")]
        try:
            for event in run_job(request(files, "torn", first.scheduler_address), control):
                if event.kind == "progress" and event.done == 6:
                    os.kill(workers[0].pid, signal.SIGKILL)
                if event.kind == "progress" and event.done >= 18:
                    control.stop = True  # the client leaves in mid-run, its scheduler with it
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    partial = result(files, "torn")[0]
    assert 0 < (partial > 0).mean() < 1
    with distributed.LocalCluster(**quiet) as second:
        worker = start_worker(files, second.scheduler_address, "c")
        try:
            again = request(files, "torn", second.scheduler_address, resume=True)
            events = run_to_end(again)
        finally:
            worker.kill()
            worker.wait()
    assert next(e for e in events if e.kind == "progress").done >= 19
    for one, other in zip(result(files, "alone"), result(files, "torn"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_workers_get_whole_chunks_of_a_model_for_all_axes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_densify.engine import cluster

    jobs: list[cluster.ClusterJob] = []

    def keep(job: cluster.ClusterJob, *_: object) -> Iterator[Event]:
        jobs.append(job)
        yield Log(message="nothing was computed")

    monkeypatch.setattr(cluster, "predict_on_cluster", keep)
    spec = SPEC.model_copy(update={"triplanar": True, "working_factor": (1, 2, 2)})
    save_model(tmp_path / "m.safetensors", build_network(CONFIG).state_dict(), spec)
    write_volume(tmp_path / "image.zarr", np.zeros((100, 400, 400), np.uint8))
    run_to_end(request(tmp_path, "x", "local", block=None))
    chunks = zarr.open_group(tmp_path / "x-labels.zarr")["0"].chunks
    assert all(block % chunk == 0 for block, chunk in zip(jobs[0].block, chunks, strict=True))


def test_what_a_worker_has_noted_counts_for_all(tmp_path: Path) -> None:
    sink = create_sink(tmp_path / "a.zarr", shape=(2, 8, 8), dtype=np.uint8, chunks=(1, 8, 8))
    parts = [ZarrPart(tmp_path / "a.zarr", name) for name in "ab"]
    region = (slice(1, 2), slice(0, 8), slice(0, 8))
    parts[0].write(region, np.full((1, 8, 8), 3))
    assert not parts[1].is_done((1, 0, 0))
    parts[0].done((1, 0, 0))
    assert parts[1].is_done((1, 0, 0))
    assert not parts[1].is_done((0, 0, 0))
    with (tmp_path / "a.zarr/0/densify-done-a.txt").open("a") as journal:
        journal.write("0 0 0")  # killed before the end of the line
    assert not parts[1].is_done((0, 0, 0))
    again = create_sink(
        tmp_path / "a.zarr", shape=(2, 8, 8), dtype=np.uint8, chunks=(1, 8, 8), resume=True
    )
    assert again.is_done((1, 0, 0))
    assert not again.is_done((0, 0, 0))
    assert sink.close().exists()
    assert not list(tmp_path.glob("a.zarr/0/densify*"))


def test_a_result_of_other_settings_is_not_gone_on_with(files: Path) -> None:
    control = JobControl()
    for event in run_job(request(files, "r"), control):
        control.stop = event.kind == "progress"
    with pytest.raises(InputError, match="another block, mirrors"):
        run_to_end(request(files, "r", resume=True, block=(2, 16, 16), mirrors=2))
    assert result(files, "r")[0].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"output": "l.tif"}, "write to .zarr"),
        ({"cluster": "tcp://127.0.0.1:1"}, "no scheduler answers"),
        ({"cluster": "nonsense"}, "no scheduler answers"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_refused(
    files: Path, monkeypatch: pytest.MonkeyPatch, change: dict, words: str
) -> None:
    from napari_densify.engine import cluster

    monkeypatch.setattr(cluster, "_CONNECT_S", 0.3)
    if "output" in change:
        change = {"output": str(files / change["output"]), "cluster": "local"}
    with pytest.raises(InputError, match=words):
        run_to_end(request(files, "x").model_copy(update=change))


def test_a_scheduler_that_is_lost_on_the_way_is_said_in_one_line(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_densify.engine import cluster

    lost = SimpleNamespace(status="closed", dashboard_link="http://there")
    monkeypatch.setattr(cluster, "_connected", lambda *_: nullcontext(lost))
    with pytest.raises(InputError, match="go on with --resume"):
        run_to_end(request(files, "x", "local"))


def test_a_block_is_not_written_twice(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_densify.engine import cluster_worker
    from napari_densify.engine.cluster import cluster_job

    wanted = request(files, "w")
    volume = open_image(files / "image.zarr")
    sink = create_sink(
        files / "w-labels.zarr", shape=volume.shape, dtype=np.uint8, chunks=(4, 48, 48)
    )
    job = cluster_job(
        wanted, wanted.images[0], {"labels": files / "w-labels.zarr"}, volume, (4, 48, 48), SETTINGS
    )
    monkeypatch.setattr(cluster_worker, "_worker", lambda: ("0-x", 1))
    whole = full_region(volume.shape)
    block = Block((0, 0, 0), whole)
    cluster_worker.state_of(job).predict(block)
    stored = ZarrPart(sink.path, "look")
    stored.write(whole, np.zeros(volume.shape))
    cluster_worker.state_of(job).predict(block)  # sent out again after its worker was lost
    assert not open_image(sink.path).read().any()
    sink.abort()
