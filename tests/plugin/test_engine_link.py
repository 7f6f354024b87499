from __future__ import annotations

import json
import shlex
import sys

import pytest

from napari_densify.core.errors import InputError
from napari_densify.core.requests import InfoRequest
from napari_densify.plugin.engine_choice import keep_link, kept_link
from napari_densify.plugin.engine_client import EngineClient
from napari_densify.plugin.engine_dialog import EngineDialog
from napari_densify.plugin.engine_link import EngineLink, engine_command

ENGINE = ["-m", "napari_densify.engine"]


def test_without_a_prefix_it_is_this_python():
    assert engine_command() == [sys.executable, *ENGINE]


def test_words_may_be_quoted():
    command = engine_command("nice '/opt/my envs/bin/python'")
    assert command == ["nice", "/opt/my envs/bin/python", *ENGINE]
    with pytest.raises(InputError, match="close the quote"):
        engine_command("ssh 'box")


def test_ssh_never_waits_for_a_password():
    command = engine_command("ssh -o ConnectTimeout=3 box python")
    assert "BatchMode=yes" in command
    assert "ConnectTimeout=15" not in command
    assert command[-4:] == ["box", "python", *ENGINE]


@pytest.mark.parametrize(
    ("here", "there", "sent", "wanted"),
    [
        ("/data", "/mnt/box", "/data/a b/ü.tif::raw", "/mnt/box/a b/ü.tif::raw"),
        ("/data/", "/mnt/box/", "/data", "/mnt/box"),
        ("/data", "/mnt/box", "/database/a.tif", "/database/a.tif"),
        ("Z:\\data", "/mnt", "Z:\\data\\x\\y.tif", "/mnt/x/y.tif"),
    ],
)
def test_paths_there_and_back(here, there, sent, wanted):
    link = EngineLink("", here, there)
    line = json.dumps({"images": [sent], "n": 1}).encode() + b"\n"
    moved = json.loads(link.to_engine(line))
    assert moved == {"images": [wanted], "n": 1}
    back = json.loads(link.to_viewer(json.dumps(moved).encode()))
    assert back["images"][0].rstrip("/") == sent.rstrip("/")


def test_noise_passes_and_half_a_pair_is_refused():
    assert EngineLink("", "/a", "/b").to_viewer(b"hello {\n") == b"hello {\n"
    with pytest.raises(InputError, match="one of the two folders"):
        EngineLink("", "/a", "")


SSH = """#!/bin/sh
# As ssh does it: options and host, then the words joined and read by a shell once more.
while [ "${1#-}" != "$1" ]; do [ "$1" = -o ] && shift; shift; done
host="$1"; shift
[ "$host" = box ] || { echo "ssh: Could not resolve hostname $host" >&2; exit 255; }
cd / && exec sh -c "$*"
"""

ECHO = """
import json, sys
print(json.dumps({"kind": "ready", "version": "1", "device": "box"}), flush=True)
for line in sys.stdin.buffer:
    request = json.loads(line)
    print(json.dumps({"kind": "done", "job": request["job"],
                      "result": {"read": request["image"], "text": open(request["image"]).read()}}),
          flush=True)
"""


@pytest.fixture
def ssh(tmp_path):
    """A program called ssh that runs the command on this machine, and a far folder."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    far = tmp_path / "far away"
    (far / "napari_densify").mkdir(parents=True)
    (far / "napari_densify" / "__init__.py").touch()
    (far / "napari_densify" / "engine.py").write_text(ECHO)
    (far / "größe.txt").write_text("voxels")
    return program, far


def ask(link, image, qtbot):
    client = EngineClient()
    client.use(link)
    heard = []
    client.heard.connect(heard.append)
    client.submit(InfoRequest(image=image))
    qtbot.waitUntil(lambda: any(e.kind in ("done", "failed") for e in heard), timeout=60000)
    client.close()
    return heard


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for ssh is a shell script")
def test_an_engine_behind_ssh_reads_the_shared_folder(ssh, qtbot):
    program, far = ssh
    remote = f"PYTHONPATH={shlex.quote(str(far))} {shlex.quote(sys.executable)}"
    prefix = shlex.join([str(program), "box", remote])
    link = EngineLink(prefix, "/only/here", str(far))
    heard = ask(link, "/only/here/größe.txt", qtbot)
    assert [e.kind for e in heard] == ["ready", "done"]
    assert heard[-1].result == {"read": "/only/here/größe.txt", "text": "voxels"}


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for ssh is a shell script")
def test_a_host_that_is_not_there_is_said_in_one_line(ssh, qtbot):
    program, _ = ssh
    heard = ask(EngineLink(f"{program} nobody python"), "x", qtbot)
    assert heard[-1].kind == "failed"
    assert "Could not resolve hostname nobody" in heard[-1].message


def test_the_dialog_refuses_half_a_pair_and_what_it_takes_is_kept(qtbot):
    dialog = EngineDialog(EngineLink())
    qtbot.addWidget(dialog)
    dialog.fields["prefix"].setText("ssh box python")
    dialog.fields["here"].setText("/data")
    dialog.accept()
    assert not dialog.result()
    assert "one of the two folders is missing" in dialog.refusal.text()
    dialog.fields["there"].setText("/mnt/data")
    dialog.accept()
    assert dialog.result()
    assert kept_link() == EngineLink()
    keep_link(dialog.link)
    assert kept_link() == EngineLink("ssh box python", "/data", "/mnt/data")
