"""Requests and events: each survives its own line of JSON."""

from __future__ import annotations

import typing

import pytest
from pydantic import BaseModel, ValidationError

from napari_densify.core import events, requests
from napari_densify.core.control import JobControl

REGION = ((0, 1), (2, 3), (4, 5))
# A value for every field, of any message, that has no default.
REQUIRED = {
    "image": "/a b/ü.h5::raw",
    "images": ("a.tif", "b.tif"),
    "annotations": "paint.tif",
    "model": "m.safetensors",
    "output": "out.zarr",
    "method": "threshold",
    "prediction": "p.tif",
    "truth": "t.tif",
    "project": "c.densify",
    "source": "circles.csv",
    "minutes": 15.0,
    "region": REGION,
    "regions": (REGION,),
    "generation": 4,
    "version": "1",
    "device": "cpu",
    "name": "n",
    "explanation": "patches of 8 x 64 x 64",
    "done": 1,
    "total": 3,
    "step": 3,
    "steps": 3,
    "loss": 0.5,
    "learning_rate": 1e-3,
    "elapsed_s": 1.25,
    "dice": {1: 0.5, 2: 0.75},
    "mean_dice": 0.625,
    "path": "/a b/ü.zarr",
    "message": "zwei\nZeilen µ",
    "fault": True,
}


def messages_of(union: object) -> list[BaseModel]:
    """One message of every kind in an annotated union."""
    kinds = typing.get_args(typing.get_args(union)[0])
    return [
        kind(**{name: REQUIRED[name] for name, f in kind.model_fields.items() if f.is_required()})
        for kind in kinds
    ]


EVENTS = messages_of(events.Event)
REQUESTS = messages_of(requests.Request)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.kind)
def test_events_survive_a_line_of_json(event):
    line = event.model_dump_json()
    assert "\n" not in line
    assert events.parse_event(line.encode()) == event


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r.kind)
def test_requests_survive_a_line_of_json(request_):
    line = request_.model_dump_json()
    assert "\n" not in line
    assert requests.parse_request(line.encode()) == request_


@pytest.mark.parametrize(
    "line", ["", "{}", '{"kind": "dance"}', "[1]", '{"kind": "done", "unheard_of": 1}', "\x00"]
)
def test_anything_else_is_refused(line):
    with pytest.raises(ValidationError):
        events.parse_event(line)
    with pytest.raises(ValidationError):
        requests.parse_request(line)


def test_the_mailbox_gives_each_changed_region_once():
    control = JobControl()
    region = (slice(0, 1), slice(0, 4), slice(0, 4))
    control.changed.append(region)
    assert control.take_changed() == [region]
    assert control.take_changed() == []
