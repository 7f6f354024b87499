from __future__ import annotations

import pytest
import typer.main

from napari_densify.cli.main import app
from napari_densify.cli.spread import spread

PROGRAM = typer.main.get_command(app)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (
            "train i1 i2 --annotations l1 l2 -o m --json",
            "train i1 i2 --annotations l1 --annotations l2 -o m --json",
        ),
        (
            "train --annotations l1 l2 i1 i2 -o m",
            "train --annotations l1 --annotations l2 i1 i2 -o m",
        ),
        ("train --annotations l i -o m", "train --annotations l i -o m"),
        ("train -o m i --set a=1 b=2", "train -o m i --set a=1 --set b=2"),
        ("train -o m --annotations l --set a=1 i", "train -o m --annotations l --set a=1 i"),
        ("compare i --model a b -o r", "compare i --model a --model b -o r"),
        ("compare --model a b i -o r", "compare --model a --model b i -o r"),
        ("train --annotations l1 -- i1 -odd", "train --annotations l1 -- i1 -odd"),
        ("classical --list", "classical --list"),
        ("doctor", "doctor"),
        ("nonsense --annotations a b", "nonsense --annotations a b"),
        ("train i -o", "train i -o"),
        ("train i --annotations", "train i --annotations"),
        ("train i --held-out 3,5-7 --annotations l", "train i --held-out 3,5-7 --annotations l"),
        ("--version", "--version"),
        ("", ""),
    ],
)
def test_each_value_gets_its_option(line, meant):
    assert spread(line.split(), PROGRAM) == meant.split()
