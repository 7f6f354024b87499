"""The report: one file, nothing loaded from elsewhere, the numbers of the scores."""

import html.parser
import json
import re

import numpy as np
import pytest
from PIL import Image

from napari_densify.comparison import CompareOptions, ModelPrediction, compare
from napari_densify.core.labels import ClassTable


class _Sources(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources, self.stack = [], []

    def handle_starttag(self, tag, attrs):
        self.sources += [v for k, v in attrs if k in ("src", "href")]
        if tag not in ("meta", "img", "line", "circle", "polyline"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "circle", "polyline"):
            assert self.stack.pop() == tag


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rng = np.random.default_rng(0)
    truth = np.ones((9, 40, 44), np.uint8)
    truth[:, 10:30, 12:34] = 2
    image = (100 + 50 * (truth == 2) + rng.normal(0, 20, truth.shape)).clip(0, 255)
    paint = np.zeros_like(truth)
    paint[[2, 6]] = truth[[2, 6]]
    from napari_densify.core.volume import Volume

    folder = tmp_path_factory.mktemp("report")
    names = {1: "back <ground>", 2: "cell & co"}
    volume = Volume(
        image.astype(np.uint8), (20.0, 5.0, 5.0), True, "a <b> & c", "/data/my image.tif"
    )
    list(
        compare(
            volume,
            paint,
            truth=truth,
            methods=("threshold", "interpolation"),
            model_predictions={"network": ModelPrediction(truth, model="m.safetensors")},
            out_dir=folder,
            options=CompareOptions(
                tune_s=0, classes=ClassTable.from_values([1, 2], names=names, background=1)
            ),
        )
    )
    return folder


def test_is_self_contained_and_well_formed(report):
    text = (report / "report.html").read_text()
    parser = _Sources()
    parser.feed(text)
    assert parser.stack == []
    assert parser.sources
    assert all(s.startswith("data:image/png;base64,") for s in parser.sources)
    assert "url(" not in text
    assert "@import" not in text


def test_names_are_escaped(report):
    text = (report / "report.html").read_text()
    assert "a &lt;b&gt; &amp; c" in text
    assert "<ground>" not in text


def test_numbers_are_those_of_the_scores(report):
    text = (report / "report.html").read_text()
    for entry in json.loads((report / "scores.json").read_text())["entries"]:
        row = re.search(rf"<td>{entry['title']}</td><td>([\d.]+)</td>", text, re.IGNORECASE)
        assert row[1] == f"{entry['scores']['mean_dice']:.3f}"


def test_says_how_to_make_it_again(report):
    text = (report / "report.html").read_text()
    assert "densify classical threshold" in text
    assert "&#39;/data/my image.tif&#39;" in text
    assert "--truth truth.tif --annotations training.tif" in text
    assert "--model m.safetensors -o labels/network.tif" in text
    assert "scikit-image" in text


def test_verdict_names_the_network(report):
    assert "beats the best classical method" in (report / "report.html").read_text()


def test_picture_shows_every_entry(report):
    picture = np.asarray(Image.open(report / "comparison.png"))
    assert picture.ndim == 3
    assert min(picture.shape[:2]) > 200
    # Class colour, error colours, and paper are all there.
    assert (picture == 255).all(-1).mean() > 0.1
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
