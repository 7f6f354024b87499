"""One project after another in the same viewer: nothing of the first enters the second."""

from __future__ import annotations

import pytest

from napari_densify.plugin.layers import find_layer


@pytest.fixture
def painted(hands):
    """A project with both classes painted on two slices."""
    hands.open_project()
    for z in (3, 5):
        hands.session.paint[z] = hands.truth[z]
    hands.bench.canvas.paint_layer.refresh()
    return hands


def test_a_deleted_round_leaves_no_prediction_behind(painted):
    bench, session = painted.bench, painted.session
    session.extra_outputs = frozenset({"probabilities"})
    bench.train()
    painted.idle()
    bench.predict()
    painted.idle()
    folder = session.project.prediction_path(1)
    assert folder.exists()
    bench.delete_round(session.project.round(1))
    assert find_layer(bench.canvas.viewer, "prediction", "1") is None
    assert find_layer(bench.canvas.viewer, "probabilities", "001-probabilities") is None
    session.choose_round(0)
    bench.train()
    painted.idle()
    assert not folder.exists()
