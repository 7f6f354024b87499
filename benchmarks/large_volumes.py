"""What 100 TB cost in time, storage and money: computed from measured figures.

    python -m benchmarks.large_volumes [--terabytes 100] [--core-hour 0.04] ...

Reads what ``benchmarks.prediction --write`` measured, and rewrites the tables of
docs/large-volumes.md. Prices and speeds of hardware that was not at hand are options.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.page import machine
from benchmarks.prediction import FIGURES
from napari_densify.inference.tiling import chunk_size

_PAGE = Path(__file__).parent.parent / "docs" / "large-volumes.md"
_BEGIN, _END = "<!-- computed: begin -->", "<!-- computed: end -->"
# Blocks of the standard network: 4 slices of 768 x 768 cells of 2 x 2 voxels.
_BLOCK = (4, 1536, 1536)


def rows(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Quantities and what they come to."""
    voxels = options.terabytes * 1e12 / options.bytes_per_voxel
    table = [("voxels", f"{voxels:.2g}")]
    for file in sorted(FIGURES.glob("prediction-*.json")):
        facts = json.loads(file.read_text())
        speed = facts["densify"]["kvoxel_per_cpu_s"] * 1e3
        hours = voxels / speed / 3600
        name = file.stem.partition("-")[2]
        table += [
            (f"{name}: measured speed of a core", f"{speed / 1e3:.0f} thousand voxels/s"),
            (f"{name}: core hours", f"{hours:,.0f}"),
            (f"{name}: days on {options.cores} cores", f"{hours / options.cores / 24:,.1f}"),
            (f"{name}: computing at {options.core_hour} $/core hour",
             f"{hours * options.core_hour:,.0f} $"),
        ]  # fmt: skip
        stored = voxels * facts["stored_bytes_per_voxel"] / 1e12
    table += [
        ("labels, compressed as measured", f"{stored:.1f} TB"),
        (f"storing image and labels at {options.tb_month} $/TB month",
         f"{(options.terabytes + stored) * options.tb_month:,.0f} $ a month"),
        ("blocks", f"{voxels / _volume(_BLOCK):.2g}"),
        ("files of labels (one a chunk)", f"{voxels / _volume(chunk_size(_BLOCK)):.2g}"),
    ]  # fmt: skip
    return table


def _volume(shape: tuple[int, int, int]) -> int:
    z, y, x = shape
    return z * y * x


def main() -> None:
    """Rewrite the computed part of the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--terabytes", type=float, default=100)
    parser.add_argument("--bytes-per-voxel", type=float, default=1)
    parser.add_argument("--cores", type=int, default=1000)
    parser.add_argument("--core-hour", type=float, default=0.04, help="$")
    parser.add_argument("--tb-month", type=float, default=20, help="$")
    options = parser.parse_args()
    lines = [f"| {options.terabytes:g} TB | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows(options)]
    lines += ["", f"`python -m benchmarks.large_volumes`, figures of {machine()}."]
    page = _PAGE.read_text()
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _PAGE.write_text("\n".join([before + _BEGIN, "", *lines, "", _END + after]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
