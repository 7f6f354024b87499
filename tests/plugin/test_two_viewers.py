from __future__ import annotations

import subprocess
import sys

import numpy as np

OTHER = """
import sys
from napari_densify.project import Project
with Project.open(sys.argv[1]) as project:
    print(project.read_only, flush=True)
    sys.stdin.readline()
"""


def test_a_project_open_elsewhere_opens_read_only_and_says_so(hands, wait_for):
    hands.open_project()
    hands.paint(3, classes=(2,))
    folder, painted = hands.session.project.path, hands.session.counts()
    hands.bench.close_project()
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout.readline().strip() == "False"
        said = []
        hands.session.said.connect(lambda level, text: said.append((level, text)))
        hands.bench.open_project(folder, hands.bench.canvas.viewer.layers[0])
        wait_for(lambda: hands.session.project is not None)
        assert hands.session.project.read_only
        assert any(level == "warning" and folder.name in text for level, text in said)
        layer = hands.bench.canvas.paint_layer
        assert (layer.editable, layer.mode) == (False, "pan_zoom")
        viewer = hands.bench.canvas.viewer
        viewer.dims.ndisplay = 3
        viewer.dims.ndisplay = 2
        hands.stroke(5, [(24, x) for x in range(4, 40, 3)], 1)
        assert not layer.editable
        assert hands.session.counts() == painted
        assert np.asarray(layer.data)[3].any()  # what is painted can be seen
        other.stdin.close()
