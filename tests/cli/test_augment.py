"""The picture of augmented patches shows what training sees, paint included."""

from __future__ import annotations

import numpy as np
from PIL import Image

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.settings import TrainSettings, apply_overrides
from napari_densify.core.volume import Volume
from napari_densify.training import TrainingSource
from napari_densify.training.augment_preview import augment_patches

SMALL = ["patch=1,32,32", "features=false"]


def stripes() -> TrainingSource:
    z, y, x = np.mgrid[:5, :48, :48]
    truth = (1 + (x // 8) % 2 + 0 * (y + z)).astype(np.uint8)
    paint = np.where((z == 2) & (y > 4), truth * 3, 0).astype(np.uint8)
    return TrainingSource(Volume(truth * 50), ArrayAnnotations(paint))


def test_labels_follow_their_image() -> None:
    wishes = apply_overrides(TrainSettings(), [*SMALL, "preset=paper-2d", "network.padding=same"])
    found = augment_patches([stripes()], wishes, count=4)
    assert set(np.unique(found.labels_before)) <= {0, 3, 6}
    assert (found.after != found.before).mean() > 0.5
    for image, labels in ((found.before, found.labels_before), (found.after, found.labels_after)):
        for plane, codes in zip(image, labels, strict=True):
            bright, dark = plane[codes == 6], plane[codes == 3]
            if bright.size and dark.size:
                assert np.median(bright) > np.median(dark)


def test_without_augmentation_nothing_changes() -> None:
    found = augment_patches([stripes()], apply_overrides(TrainSettings(), [*SMALL, "augment=none"]))
    np.testing.assert_array_equal(found.before, found.after)
    np.testing.assert_array_equal(found.labels_before, found.labels_after)


def test_the_picture_is_written(densify, files):
    target = files.folder / "patches.png"
    outcome = densify(
        "augment", files.image, "--annotations", files.paint, "-o", target, "--preset",
        "brain-tumour", "--set", "patch=1,32,32", "--count", 3,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    with Image.open(target) as picture:
        assert min(picture.size) > 200
        assert len(picture.getcolors(10**6)) > 50
    wrong = densify("augment", files.image, "--annotations", files.paint, "-o", "patches.tif")
    assert wrong.code == 2
