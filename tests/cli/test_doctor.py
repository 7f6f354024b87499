from __future__ import annotations

import json

from napari_densify.cli.main import run_program
from napari_densify.engine import checks as look


def test_doctor_measures_this_machine(capfd):
    assert run_program(["doctor", "--json"]) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    result = events[-1]["result"]
    rows = {(r["precision"], r["direction"]): r for r in result["conv3d"]["cpu"]}
    assert rows["float32", "forward"]["correct"]
    assert rows["float32", "backward"]["correct"]
    assert rows["float32", "forward"]["gflops"] > 0.1
    assert result["will_use"] == result["devices"][0]
    assert result["why"].startswith(f"{result['will_use']} (")
    assert "predicting in" in result["why"]


def test_doctor_names_what_to_mend(capsys, monkeypatch):
    bad = look.Check(name="torch", status="bad", found="2.9.0: slow", fix="pip install other")
    monkeypatch.setattr(look, "check_packages", lambda: [bad])
    monkeypatch.setattr(look, "check_convolution", lambda device: ([], []))
    assert run_program(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "BAD  torch" in said
    assert "mend: pip install other" in said
    assert "needs mending" in said
