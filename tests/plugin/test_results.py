from __future__ import annotations

import numpy as np
from safetensors.numpy import save_file

from napari_densify.core.events import LayerUpdated
from napari_densify.core.model import ModelSpec
from napari_densify.core.model_file import SPEC_KEY
from napari_densify.core.network_config import NetworkConfig
from napari_densify.io import create_sink


def test_probabilities_are_a_layer_for_each_class_of_the_round(hands):
    hands.open_project()
    session, viewer = hands.session, hands.bench.canvas.viewer
    project, shape = session.project, session.shape
    classes = project.classes.only([1, 2, 4])
    made = project.new_round()
    network = NetworkConfig(encoder=((4,),), decoder=(), kernels=((3, 3, 3),), pools=())
    spec = ModelSpec(network=network, classes=classes, spacing=project.spacing)
    save_file({"a": np.zeros(1)}, made.model, metadata={SPEC_KEY: spec.model_dump_json()})
    path = project.prediction_path(made.number, "probabilities")
    path.parent.mkdir(exist_ok=True)
    sink = create_sink(path, shape=(3, *shape), dtype=np.uint8, spacing=project.spacing)
    values = np.stack([np.full(shape, v, np.uint8) for v in (200, 50, 5)])
    sink.write(tuple(slice(0, n) for n in shape), values)
    sink.close()
    event = LayerUpdated(path=str(path), name=path.stem, role="probabilities", final=True)
    for _ in range(2):  # the second time the layers are kept
        hands.bench.canvas.results.show(event)
    found = [x for x in viewer.layers if x.name.startswith("Probability")]
    assert [x.name for x in found] == [f"Probability of {c.name}" for c in classes.classes]
    assert [np.asarray(x.data[0]).max() for x in found] == [200, 50, 5]
    assert [x.visible for x in found] == [not c.background for c in classes.classes]
    assert all(tuple(x.contrast_limits) == (0, 255) for x in found)
    hands.bench.delete_round(made)
    assert not any(x in viewer.layers for x in found)
