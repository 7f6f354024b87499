"""Planes painted along other axes are found, turned, and taught like slices."""

import numpy as np
import pytest

from napari_densify.annotations import ArrayAnnotations
from napari_densify.core.volume import Volume
from napari_densify.training import TrainingSource
from napari_densify.training.turned import SomeSlices, find_planes, turn_sources

SHAPE = (12, 20, 30)


def blank() -> np.ndarray:
    return np.zeros(SHAPE, np.uint8)


def sources(paint: np.ndarray) -> list[TrainingSource]:
    image = np.arange(paint.size, dtype=np.uint16).reshape(paint.shape)
    return [TrainingSource(Volume(image, spacing=(3.0, 2.0, 1.0)), ArrayAnnotations(paint))]


def test_whole_slices_and_strokes_stay_as_they_are() -> None:
    paint = blank()
    paint[[2, 7]] = 1
    paint[4, 3:6, 3:9] = 2
    given = sources(paint)
    views, origins = turn_sources(given, ())
    assert views == given
    assert origins == [0]


def test_a_plane_in_each_direction_becomes_three_views() -> None:
    paint = blank()
    paint[5], paint[:, 8], paint[:, :, 11] = 1, 2, 2
    views, origins = turn_sources(sources(paint), ())
    assert origins == [0, 0, 0]
    assert [v.volume.shape for v in views] == [(12, 20, 30), (20, 12, 30), (30, 20, 12)]
    assert [v.volume.spacing for v in views] == [(3, 2, 1), (2, 3, 1), (1, 2, 3)]
    assert [list(v.annotations.slice_counts()) for v in views] == [[5], [8], [11]]
    assert [v.turned for v in views] == [False, True, True]
    box = (slice(8, 9), slice(0, 12), slice(0, 30))
    assert np.array_equal(views[1].annotations.read(box)[0], paint[:, 8])
    image = views[0].volume.read()[0]
    assert np.array_equal(views[1].volume.read(box)[0, 0], image[:, 8])
    zy = views[2].volume.read((slice(11, 12), slice(0, 20), slice(0, 12)))[0, 0]
    assert np.array_equal(zy, image[:, :, 11].T)


def test_strokes_beside_the_planes_are_kept() -> None:
    paint = blank()
    paint[:, 8] = 2
    paint[3, 1:4, 1:4] = 1
    views, _ = turn_sources(sources(paint), ())
    assert list(views[0].annotations.slice_counts()) == [3]
    assert find_planes(ArrayAnnotations(paint)).strokes == (3,)


def test_held_out_slices_are_blank_in_turned_planes() -> None:
    paint = blank()
    paint[5], paint[:, 8] = 1, 2
    views, _ = turn_sources(sources(paint), (3,))
    plane = views[1].annotations.read((slice(8, 9), slice(0, 12), slice(0, 30)))[0]
    assert not plane[3].any()
    assert plane[4].all()


@pytest.mark.parametrize("turn", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_some_slices_read_like_the_turned_array(turn: tuple[int, int, int]) -> None:
    random = np.random.default_rng(0)
    paint = random.integers(0, 3, SHAPE).astype(np.uint8)
    turned = paint.transpose(turn)
    some = SomeSlices(ArrayAnnotations(paint), [1, 4], turn)
    blanked = np.zeros_like(turned)
    blanked[[1, 4]] = turned[[1, 4]]
    assert some.shape == turned.shape
    for box in [(slice(0, 6), slice(2, 9), slice(3, 8)), (slice(4, 5), slice(0, 5), slice(1, 12))]:
        assert np.array_equal(some.read(box), blanked[box])
    assert some.counts() == ArrayAnnotations(blanked).counts()
    assert some.slice_counts() == ArrayAnnotations(blanked).slice_counts()
    assert some.painted_boxes() == ArrayAnnotations(blanked).painted_boxes()


def test_a_painted_block_is_learned_slice_by_slice() -> None:
    paint = blank()
    paint[:, 2:12, 4:19] = 1
    paint[:, 2:12, 8:14] = 2
    planes = find_planes(ArrayAnnotations(paint))
    assert planes.along[1] == planes.along[2] == ()
    assert sorted({*planes.along[0], *planes.strokes}) == list(range(12))


def test_neighbouring_planes_are_planes() -> None:
    paint = blank()
    paint[:, 8:12] = 1
    assert find_planes(ArrayAnnotations(paint)).along[1] == (8, 9, 10, 11)
