"""What a wheel and an sdist hold."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist and the wheel, built from the checkout without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_manifest_samples_and_types(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    package = [name for name in names if ".dist-info/" not in name]
    assert all(name.startswith("napari_densify/") for name in package)
    assert len(names) == len(set(names))
    for wanted in ("napari.yaml", "py.typed", "data/fibsem/image.tif", "data/nuclei/LICENSE.txt"):
        assert f"napari_densify/{wanted}" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_sdist_holds_the_manifest_once(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = [name.partition("/")[2] for name in sdist.getnames()]
    assert [name for name in names if name.endswith("napari.yaml")] == [
        "src/napari_densify/napari.yaml"
    ]
    assert "tests/test_packaging.py" in names
