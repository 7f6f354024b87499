"""Random forest: as good as a plain one, the same in blocks, rare classes seen."""

import numpy as np
import pytest

from napari_densify.classical import run_method
from napari_densify.classical.forest import ForestParameters, sample_paint
from napari_densify.classical.run import make_task
from napari_densify.classical.source import FeatureSource
from napari_densify.core.settings import FeatureConfig


def test_every_class_and_slice_has_its_share(stack):
    volume, _, paint = stack
    task = make_task(volume, paint, None)
    source = FeatureSource.of(task, FeatureConfig())
    features, labels = sample_paint(source.features, task, ForestParameters(samples=450))
    assert features.shape == (len(labels), 20)
    assert np.bincount(labels)[1:].max() <= 150
    assert (np.bincount(labels)[1:] > 20).all()


def test_stride_one_is_the_forest_itself_and_two_comes_close(stack):
    volume, truth, paint = stack
    exact = run_method("random_forest", volume, annotations=paint, parameters={"stride": 1})
    coarse = run_method("random_forest", volume, annotations=paint, parameters={"stride": 2})
    assert (exact == truth).mean() > 0.93
    assert (exact == coarse).mean() > 0.95


def test_boosting(stack):
    volume, truth, paint = stack
    labels = run_method("boosting", volume, annotations=paint, parameters={"trees": 20})
    assert (labels == truth).mean() > 0.9


def test_features_take_a_missing_voxel_for_the_mean(rng):
    from napari_densify.core.volume import Volume

    image = rng.normal(1000, 10, (1, 40, 40))
    image[0, 20, 20] = np.nan
    missing = FeatureSource.of(make_task(Volume(image), None, None), FeatureConfig())
    filled = np.nan_to_num(image, nan=missing.intensity.offset[0])
    whole = FeatureSource(make_task(Volume(filled), None, None), FeatureConfig(), missing.intensity)
    region = slice(0, 1), slice(0, 40), slice(0, 40)
    np.testing.assert_allclose(missing.features(region), whole.features(region), atol=1e-4)


def test_features_of_a_part_are_a_part_of_the_features(rng):
    from napari_densify.core.volume import Volume

    task = make_task(Volume(rng.integers(0, 255, (2, 150, 140)).astype(np.uint8)), None, None)
    source = FeatureSource.of(task, FeatureConfig())
    whole = source.features(task.region)
    part = (slice(1, 2), slice(53, 120), slice(61, 99))
    np.testing.assert_allclose(source.features(part), whole[(slice(None), *part)], atol=1e-4)


def test_all_channels_are_looked_at(stack):
    from napari_densify.core.volume import Volume

    volume, truth, paint = stack
    both = Volume(np.stack([np.zeros_like(volume.data), volume.data]), volume.spacing)
    labels = run_method("random_forest", both, annotations=paint)
    assert (labels == truth).mean() > 0.9
    assert ForestParameters(trees=5).trees == 5
    with pytest.raises(ValueError, match="trees"):
        ForestParameters(trees=1)


def test_as_paint_grows_only_new_slices_are_looked_at(stack, monkeypatch):
    from napari_densify.classical import preview_slice, source

    volume, _, paint = stack
    looked = []
    compute = source.slab_features

    def counted(image, config, **options):
        looked.append(image.shape)
        return compute(image, config, **options)

    monkeypatch.setattr(source, "slab_features", counted)
    few = paint.copy()
    few[5] = 0
    memory = {}

    def preview(labels):
        looked.clear()
        options = {"annotations": labels, "memory": memory}
        return list(preview_slice("random_forest", volume, 4, **options))[-1]

    preview(few)
    assert len(looked) == 3  # two painted slices and the one on screen
    preview(few)
    assert looked == []
    grown = preview(paint)
    assert len(looked) == 1
    (fresh,) = preview_slice("random_forest", volume, 4, annotations=paint)
    np.testing.assert_array_equal(grown, fresh)


def test_a_forest_in_3d(stack, monkeypatch):
    from napari_densify.classical import run

    volume, truth, paint = stack
    options = {"annotations": paint, "parameters": {"features": "3d", "trees": 20}}
    labels = run_method("random_forest", volume, **options)
    assert (labels == truth).mean() > 0.9
    monkeypatch.setattr(run, "_block_shape", lambda method, shape: (2, 16, 20))
    np.testing.assert_array_equal(run_method("random_forest", volume, **options), labels)
