from __future__ import annotations

from dataclasses import replace

from napari_densify.core.events import HeldOutScore, Log, Progress, StepDone
from napari_densify.plugin.jobs import Job, TrainingLog, update_job


def test_progress_becomes_a_line():
    job = update_job(Job("a", "train"), Progress(done=1, total=4, eta_s=30))
    assert job.fraction == 0.25
    assert job.status == "Training 25% · 30 s left"
    assert update_job(job, Log(message="x")) is job


def test_a_line_says_no_word_twice():
    job = Job("a", "train", fraction=0.64, eta_s=13, message="training")
    assert job.status == "Training 64% · 13 s left"
    assert replace(job, message="reading").status == "Training 64% · 13 s left · reading"


def test_a_log_keeps_losses_and_scores():
    log = TrainingLog()
    assert log.add(StepDone(step=1, loss=0.5, learning_rate=1, elapsed_s=2))
    assert log.add(HeldOutScore(step=1, elapsed_s=3, dice={1: 0.5}, mean_dice=0.5))
    assert not log.add(Log(message="x"))
    assert (log.seconds, log.loss, log.score_seconds, log.dice) == ([2], [0.5], [3], [0.5])
