from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_densify.core.errors import InputError
from napari_densify.core.labels import count_labels, require_trainable
from napari_densify.data import SampleFiles, sample_files, sample_names
from napari_densify.io import open_image, open_labels


@pytest.fixture(params=sample_names())
def sample(request: pytest.FixtureRequest) -> SampleFiles:
    return sample_files(request.param)


def test_all_files_are_there_and_small(sample):
    files = [sample.image, sample.annotations, sample.truth, sample.instances, sample.licence]
    assert sum(file.stat().st_size for file in files) < 1_500_000
    assert "copyright" in sample.licence.read_text("utf-8").lower()


def test_they_open_with_their_voxel_size(sample):
    volumes = [
        open_image(str(sample.image)),
        *(open_labels(str(path)) for path in (sample.annotations, sample.truth, sample.instances)),
    ]
    for volume in volumes:
        assert volume.spacing_known
        assert volume.spacing == pytest.approx(sample.spacing, rel=1e-4)
        assert volume.shape == volumes[0].shape


def test_the_truth_is_dense_and_holds_every_class(sample):
    truth = open_labels(str(sample.truth)).read_labels()
    assert truth.min() > 0
    assert tuple(count_labels(truth)) == sample.classes.values


def test_the_paint_is_sparse_true_and_trainable(sample):
    truth = open_labels(str(sample.truth)).read_labels()
    paint = open_labels(str(sample.annotations)).read_labels()
    painted = paint > 0
    np.testing.assert_array_equal(paint[painted], truth[painted])
    slices = np.flatnonzero(painted.any((1, 2)))
    assert len(slices) == 4
    for z in slices:
        require_trainable(count_labels(paint[z]))
        assert 0.3 < painted[z].mean() < 0.6


def test_objects_lie_in_one_class(sample):
    truth = open_labels(str(sample.truth)).read_labels()
    instances = open_labels(str(sample.instances)).read_labels()
    assert len(count_labels(instances)) > 50
    # Objects touch the boundary class, but no voxel of the last class is without an object.
    assert (instances[truth == sample.classes.values[-1]] > 0).all()


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="fibsem, nuclei"):
        sample_files("brain")


def test_the_readme_says_where_they_come_from(sample):
    readme = Path(__file__).parents[2] / "sample_data" / "README.md"
    assert f"`{sample.name}`" in readme.read_text("utf-8")
