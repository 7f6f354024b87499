"""Each method gives what the library function underneath gives."""

import warnings

import numpy as np
import pytest
from scipy import ndimage
from skimage import feature, filters, segmentation
from skimage.graph import MCP_Geometric

from napari_densify.classical import run_method
from napari_densify.classical.chan_vese import ChanVeseParameters
from napari_densify.classical.chan_vese import fit as fit_chan_vese
from napari_densify.classical.contours import unit_range
from napari_densify.classical.edges import find_edges
from napari_densify.classical.flood import flood
from napari_densify.classical.geodesic import geodesic_distance
from napari_densify.classical.growing import coarsen, enlarge
from napari_densify.classical.interpolation import InterpolationParameters
from napari_densify.classical.interpolation import fit as fit_interpolation
from napari_densify.classical.local_threshold import local_threshold, window_shape
from napari_densify.classical.ridges import find_ridges
from napari_densify.classical.run import make_task
from napari_densify.classical.snakes import SnakeParameters, move_snake
from napari_densify.classical.superpixels import superpixels
from napari_densify.classical.watershed import gradient_magnitude
from napari_densify.core.errors import InputError
from napari_densify.core.volume import Volume


@pytest.fixture
def image(cells):
    return cells[0].data.astype(np.float32)


def test_watershed_from_paint(cells, image):
    volume, _, paint = cells
    smooth = np.sqrt(
        sum(
            (ndimage.sobel(image, axis, mode="reflect") / 32 * volume.spacing[2] / s) ** 2
            for axis, s in enumerate(volume.spacing)
            if image.shape[axis] > 1
        )
    )
    np.testing.assert_allclose(gradient_magnitude(image, spacing=volume.spacing), smooth, atol=1e-3)
    landscape = gradient_magnitude(image, spacing=volume.spacing)
    expected = segmentation.watershed(landscape, paint.astype(np.int32))
    labels = run_method("watershed", volume, annotations=paint, parameters={"sigma": 0})
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("markers", ["distance", "h-minima"])
@pytest.mark.parametrize("landscape", ["gradient", "intensity", "inverted"])
def test_watershed_from_its_own_markers(markers, landscape, cells):
    volume, truth, paint = cells
    parameters = {"markers": markers, "landscape": landscape}
    labels = run_method("watershed", volume, annotations=paint, parameters=parameters)
    painted = paint > 0
    assert (labels == truth)[painted].mean() > 0.6


@pytest.mark.parametrize("algorithm", ["gaussian", "mean", "sauvola", "niblack"])
def test_local_threshold(algorithm, cells, image):
    volume, _, _ = cells
    window = window_shape(11, volume.spacing)
    expected = {
        "gaussian": lambda: filters.threshold_local(image, window, "gaussian"),
        "mean": lambda: filters.threshold_local(image, window, "mean"),
        "sauvola": lambda: filters.threshold_sauvola(image, window, k=0.2, r=100),
        "niblack": lambda: filters.threshold_niblack(image, window, k=0.2),
    }[algorithm]()
    found = local_threshold(image, algorithm=algorithm, window=window, span=200)
    np.testing.assert_array_equal(found, expected)
    if algorithm != "sauvola":
        labels = run_method(
            "local_threshold",
            volume,
            parameters={"algorithm": algorithm, "window": 11, "sigma": 0},
        )
        np.testing.assert_array_equal(labels == 2, image > expected)


def test_hysteresis(cells, image):
    volume, _, _ = cells
    expected = filters.apply_hysteresis_threshold(image, 80, 180)
    labels = run_method("hysteresis", volume, parameters={"low": 80, "high": 180, "sigma": 0})
    np.testing.assert_array_equal(labels == 2, expected)
    with pytest.raises(InputError, match="weak threshold"):
        run_method("hysteresis", volume, parameters={"low": 180, "high": 80})


def test_flood_from_one_seed(image):
    seed = tuple(n // 4 for n in image.shape)
    mask = np.zeros(image.shape, bool)
    mask[seed] = True
    expected = segmentation.flood(image, seed, tolerance=15)
    np.testing.assert_array_equal(flood(image, mask, tolerance=15), expected)


def test_random_walker(cells, image):
    volume, _, paint = cells
    spacing = np.asarray(volume.spacing) / min(volume.spacing)
    if image.shape[0] == 1:
        # All of the only slice is painted: leave something to be found.
        paint = paint.copy()
        paint[:, 15:25] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # probabilities a hair outside 0..1
        expected = segmentation.random_walker(
            image, paint.astype(int), beta=130, mode="cg_j", tol=1e-3, spacing=spacing
        )
    labels = run_method("random_walker", volume, annotations=paint, parameters={"sigma": 0})
    np.testing.assert_array_equal(labels, expected)


def test_geodesic_distance(cells):
    volume, _, paint = cells
    cost = 1 + volume.data.astype(np.float32)
    expected, _ = MCP_Geometric(cost, sampling=volume.spacing).find_costs(np.argwhere(paint == 3))
    found = geodesic_distance(cost, paint == 3, spacing=volume.spacing)
    np.testing.assert_array_equal(found, expected)


def test_confidence_connected_first_iteration(stack):
    volume, _, paint = stack
    image = volume.data.astype(np.float32)
    seeds = paint == 3
    similar = np.abs(image - image[seeds].mean()) <= 2 * image[seeds].std()
    expected = ndimage.binary_propagation(seeds & similar, np.ones((3, 3, 3)), similar) | seeds
    labels = run_method(
        "confidence_connected",
        volume,
        annotations=paint,
        parameters={"sigma": 0, "iterations": 1, "multiplier": 2},
    )
    assert (labels[expected] == 3).mean() > 0.99


def test_kmeans_and_mixture_on_intensity(stack):
    from sklearn.cluster import KMeans

    volume, _, paint = stack
    image = volume.data.astype(np.float32)
    model = KMeans(3, n_init=5, random_state=1).fit(image.reshape(-1, 1))
    order = np.argsort(np.argsort(model.cluster_centers_[:, 0]))
    expected = order[model.labels_].reshape(image.shape) + 1
    for name in ("kmeans", "gaussian_mixture"):
        labels = run_method(name, volume, annotations=paint, parameters={"clusters": 3, "sigma": 0})
        assert (labels == expected).mean() > 0.99


@pytest.mark.parametrize("name", ["kmeans", "gaussian_mixture"])
def test_clusters_of_texture(name, stack):
    volume, truth, paint = stack
    parameters = {"features": "multiscale", "clusters": 12, "mini_batch": True}
    if name != "kmeans":
        del parameters["mini_batch"]
    labels = run_method(name, volume, annotations=paint, parameters=parameters)
    assert (labels == truth).mean() > 0.85


def test_superpixels(cells, image):
    volume, _, _ = cells
    scaled = (image - image.min()) / np.ptp(image)
    expected = segmentation.slic(
        scaled,
        n_segments=image.size // 100,
        compactness=0.1,
        max_num_iter=5,
        spacing=np.asarray(volume.spacing) / min(volume.spacing),
        channel_axis=None,
        enforce_connectivity=False,
    )
    found = superpixels(image, size=100, compactness=0.1, spacing=volume.spacing)
    np.testing.assert_array_equal(found, expected)


def test_edges(image):
    plane = image[0]
    expected = feature.canny(plane, 2, 0.7, 0.8, use_quantiles=True)
    found = find_edges(plane, operator="canny", sigma=2, quantile=0.8)
    assert np.mean(found == expected) > 0.999
    for operator in ("sobel", "scharr"):
        strength = getattr(filters, operator)(ndimage.gaussian_filter(plane, 2))
        found = find_edges(plane, operator=operator, sigma=2, quantile=0.8)
        np.testing.assert_array_equal(found, strength > np.quantile(strength, 0.8))


def test_laplacian_edges_lie_on_the_outline():
    y, x = np.mgrid[:60, :60]
    radius = np.hypot(y - 30, x - 30)
    edges = find_edges((radius < 15).astype(np.float32), operator="log", sigma=2, quantile=0.8)
    assert edges.sum() > 40
    assert np.abs(radius[edges] - 15).max() < 3


@pytest.mark.parametrize("name", ["sato", "frangi", "meijering"])
def test_ridges(name, image):
    expected = getattr(filters, name)(image[0], sigmas=(1.0, 2.0), black_ridges=False)
    found = find_ridges(image[0], filter_name=name, scales=(1.0, 2.0), dark=False)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("operator", ["canny", "sobel", "scharr", "log"])
def test_edges_enclose_objects(operator, stack):
    volume, truth, paint = stack
    labels = run_method(
        "edges", volume, annotations=paint, parameters={"operator": operator, "sigma": 1}
    )
    assert (labels == truth).mean() > 0.5


def test_chan_vese_moves_what_interpolation_starts(stack):
    volume, _, paint = stack
    two = np.minimum(paint, 2)
    task = make_task(volume, two, None)
    box = (slice(0, 1), *task.region[1:])
    start = fit_interpolation(task, InterpolationParameters())(box)[0] == 2
    parameters = ChanVeseParameters(iterations=4, sigma=0)
    image = unit_range(volume.data[0].astype(np.float32))
    expected = segmentation.morphological_chan_vese(image, 4, init_level_set=start, smoothing=1)
    found = fit_chan_vese(task, parameters)(box)[0]
    np.testing.assert_array_equal(found == 2, expected > 0)


def test_snake():
    image = np.zeros((60, 60), np.float32)
    image[20:40, 20:40] = 1
    image = ndimage.gaussian_filter(image, 2)
    angle = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    curve = np.stack([30 + 14 * np.sin(angle), 30 + 14 * np.cos(angle)], axis=1)
    parameters = SnakeParameters(iterations=50)
    expected = segmentation.active_contour(
        image, curve, alpha=0.01, beta=0.1, w_edge=1, w_line=0, max_num_iter=50, max_px_move=0.5
    )
    np.testing.assert_array_equal(move_snake(image, curve, parameters=parameters), expected)


def test_a_coarse_grid_keeps_places(stack):
    volume, _, paint = stack
    image = volume.data.astype(np.float32)
    grid = coarsen(image, paint.astype(np.int32), spacing=volume.spacing, max_voxels=4000)
    assert grid.image.size <= 4000
    assert grid.factor == (1, 2, 2)
    assert grid.spacing == (20.0, 10.0, 10.0)
    ramp = np.broadcast_to(np.arange(40.0)[None, :, None], (1, 40, 40)).astype(np.float32)
    coarse = coarsen(ramp, (ramp > 20).astype(np.int32), spacing=(1, 1, 1), max_voxels=400)
    fine = enlarge(coarse.image, coarse.factor, ramp.shape)
    np.testing.assert_allclose(fine[:, 1:-1], ramp[:, 1:-1], atol=1e-4)


@pytest.mark.parametrize(
    ("factor", "shape"),
    [((1, 2, 2), (3, 14, 17)), ((2, 4, 4), (5, 27, 36)), ((4, 1, 2), (12, 7, 18))],
)
def test_a_grid_is_enlarged_as_scipy_does(factor, shape):
    field = np.random.default_rng(0).random((3, 7, 9)).astype(np.float32)
    expected = ndimage.affine_transform(
        field,
        [1 / f for f in factor],
        offset=[(1 / f - 1) / 2 for f in factor],
        output_shape=shape,
        order=1,
        mode="nearest",
    )
    np.testing.assert_allclose(enlarge(field, factor, shape), expected, atol=1e-6)


def test_watershed_on_probabilities(stack):
    volume, truth, paint = stack
    sure = np.stack([np.where(truth == v, 200, 20) for v in (1, 2, 3)]).astype(np.uint8)
    sure[:, :, 8:12] = 80
    landscape = 1 - sure.max(0).astype(np.float32) / 255
    expected = segmentation.watershed(landscape, paint.astype(np.int32))
    options = {"annotations": paint, "parameters": {"landscape": "probability"}}
    guess = Volume(sure, volume.spacing)
    labels = run_method("watershed", volume, probabilities=guess, **options)
    np.testing.assert_array_equal(labels, expected)
    with pytest.raises(InputError, match="probabilities"):
        run_method("watershed", volume, **options)
    with pytest.raises(InputError, match="shape"):
        run_method("watershed", volume, probabilities=Volume(sure[:, 1:]), **options)
