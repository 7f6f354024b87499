"""Mutated files of every format: each opens or gives one clear line.

Usage: python -m benchmarks.fuzz_io [--files 10000] [--seed 0] [--workers 2] [--write]

Every file is opened, described and read (the middle slice) by a worker process with
a memory limit; one that hangs, crashes, raises anything but InputError, or needs
more than 2 GiB is a failure. The same seed gives the same files, each by its number,
so that a long run can be cut into parts.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.io.formats import FORMATS, Format  # noqa: E402

from benchmarks.page import write_section  # noqa: E402

LIMIT_S = 10.0
LIMIT_BYTES = 2 * 2**30
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_ODD_NUMBERS = (b"0", b"-1", b"1", b"7", b"99999999999", b"1e308", b"null", b'"x"', b"[]", b"{}")
_ODD_WORDS = (
    b"\xff" * 4,
    b"\x00" * 4,
    b"\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff",
    b"\x01\x00\x00\x00",
)


@dataclass(frozen=True)
class Failure:
    """A file that did worse than one clear line."""

    name: str
    what: str


Result = tuple[Counter[str], list[Failure]]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Damage a file in one of many ways."""
    if not content:
        return b"\x00"
    data = bytearray(content)
    head = min(len(data), rng.choice((32, 512, len(data))))
    kind = rng.randrange(8)
    at = rng.randrange(head)
    if kind == 0:
        return bytes(data[: rng.randrange(len(data))])
    if kind == 1:
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(head)] = rng.randrange(256)
    elif kind == 2:
        data[at : at + 4] = rng.choice(_ODD_WORDS)
    elif kind == 3:
        data[at : at + rng.randint(1, 64)] = b""
    elif kind == 4:
        data[at:at] = rng.randbytes(rng.randint(1, 64))
    elif kind == 5:
        data[at : at + 256] = b"\x00" * 256
    elif kind == 6:
        data[at] ^= 1 << rng.randrange(8)
    else:
        return _change_number(bytes(data), rng)
    return bytes(data)


def _change_number(content: bytes, rng: random.Random) -> bytes:
    """Replace a number in a text (JSON, XML, NRRD, NumPy headers)."""
    found = list(_NUMBER.finditer(content[:8192]))
    if not found:
        return content + b"9"
    match = rng.choice(found)
    return content[: match.start()] + rng.choice(_ODD_NUMBERS) + content[match.end() :]


def _coco(folder: Path, stack: np.ndarray) -> str:
    """Write a COCO file with a square on each slice."""
    depth, height, width = stack.shape
    content = {
        "images": [
            {"id": z, "file_name": f"z{z}.png", "height": height, "width": width}
            for z in range(depth)
        ],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "nucleus"}],
        "annotations": [
            {"image_id": z, "category_id": 1 + z % 2, "segmentation": [[2, 2, 9, 2, 9, 9, 2, 9]]}
            for z in range(depth)
        ],
    }
    (folder / "a.json").write_text(json.dumps(content))
    return str(folder / "a.json")


def _ilastik_project(folder: Path, stack: np.ndarray) -> str:
    """Write an ilastik project with one stroke."""
    import h5py

    with h5py.File(folder / "a.ilp", "w") as file:
        name = "PixelClassification/LabelSets/labels000/block0000"
        block = file.create_dataset(name, data=np.ones((1, 5, 6, 1), np.uint8))
        block.attrs["blockSlice"] = "[2:3,4:9,5:11,0:1]"
        file["PixelClassification/LabelNames"] = np.array([b"inside"])
        info = file.create_group("Input Data/infos/lane0000/Raw Data")
        info["shape"] = (*stack.shape, 1)
        info["axistags"] = json.dumps({"axes": [{"key": k} for k in "zyxc"]})
    return str(folder / "a.ilp")


def _shapes(folder: Path, stack: np.ndarray) -> str:
    """Write shapes as napari saves them."""
    corners = ((3.0, 3.0), (3.0, 20.0), (20.5, 20.0), (20.5, 3.0))
    rows = [
        f"{number},{kind},{vertex},{number % stack.shape[0]}.0,{y},{x}"
        for number, kind in enumerate(("polygon", "rectangle", "ellipse", "path", "line"))
        for vertex, (y, x) in enumerate(corners)
    ]
    head = "index,shape-type,vertex-index,axis-0,axis-1,axis-2"
    (folder / "s.csv").write_text("\n".join([head, *rows]) + "\n")
    return str(folder / "s.csv")


SOURCES = (
    *FORMATS,
    Format("coco", _coco),
    Format("ilastik-project", _ilastik_project),
    Format("napari-shapes", _shapes),
)


def mutants(folder: Path, numbers: range, seed: int) -> Iterator[tuple[str, str]]:
    """Write mutated files one after another; yields (name, address)."""
    stack = np.random.default_rng(seed).integers(0, 255, (5, 40, 48), np.uint8)
    originals = folder / "originals"
    addresses: dict[str, str] = {}
    for form in SOURCES:
        (originals / form.name).mkdir(parents=True)
        addresses[form.name] = form.write(originals / form.name, stack)
    for number in numbers:
        form = SOURCES[number % len(SOURCES)]
        rng = random.Random(f"{seed}-{number}")
        yield _mutant(form, originals, folder / f"{number}", addresses[form.name], rng)


def _mutant(
    form: Format, originals: Path, target: Path, address: str, rng: random.Random
) -> tuple[str, str]:
    shutil.copytree(originals / form.name, target)
    files = sorted(p for p in target.rglob("*") if p.is_file())
    texts = [p for p in files if p.name in ("zarr.json", ".zarray", ".zgroup", ".zattrs")]
    victim = rng.choice(texts if texts and rng.random() < 0.7 else files)
    victim.write_bytes(mutate(victim.read_bytes(), rng))
    name = f"{target.name}-{form.name}-{victim.relative_to(target)}"
    return name, address.replace(str(originals / form.name), str(target))


WORKER = """
import json, resource, sys, time, traceback, warnings
warnings.simplefilter("ignore")
import logging
logging.disable(logging.CRITICAL)
from napari_densify.core.errors import InputError
from napari_densify.io import (
    apply_import, describe, list_datasets, open_image, open_labels, plan_import, read_import
)
import h5py, skimage.draw, mrcfile, nibabel, nrrd
limit = int(sys.argv[1])
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + limit, used + limit))

def look(call, address):
    try:
        call(address)
        return "opened"
    except InputError as error:
        text = str(error)
        return "refused" if text and "\\n" not in text and len(text) < 900 else "unclear: " + text
    except BaseException:
        return traceback.format_exc()

def read(address):
    volume = open_image(address)
    volume.data[..., volume.shape[0] // 2, :, :]

def take(address):
    source = read_import(address, shape=(5, 40, 48))
    apply_import(source, plan_import(source)).read_labels((slice(0, 1), slice(0, 8), slice(0, 8)))

for line in sys.stdin:
    address = json.loads(line)
    calls = (read, open_labels, describe, list_datasets, take)
    answers = [look(call, address) for call in calls]
    bad = [a for a in answers if a not in ("opened", "refused")]
    print(json.dumps(bad[0] if bad else min(answers)), flush=True)
"""


class Worker:
    """A process that opens files until it dies of one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(LIMIT_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._warm = False

    def look(self, address: str) -> str:
        """Say what became of one file: opened, refused, or what went wrong."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(address) + "\n")
        self._process.stdin.flush()
        limit = LIMIT_S if self._warm else 6 * LIMIT_S
        ready, _, _ = select.select([self._process.stdout], [], [], limit)
        if not ready:
            self.close()
            return f"hangs for more than {limit:.0f} s"
        line = self._process.stdout.readline()
        self._warm = True
        return str(json.loads(line)) if line else f"the process died ({self._process.wait()})"

    @property
    def alive(self) -> bool:
        """Whether it can take another file."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def fuzz(numbers: range, seed: int, keep: Path | None = None, until: float = math.inf) -> Result:
    """Open mutated files of these numbers; returns how they ended, and the failures."""
    outcomes: Counter[str] = Counter()
    failures: list[Failure] = []
    worker = Worker()
    with tempfile.TemporaryDirectory() as folder:
        for name, address in mutants(Path(folder), numbers, seed):
            if time.monotonic() > until:
                break
            answer = worker.look(address)
            mutant = Path(folder) / name.split("-", 1)[0]
            if answer in ("opened", "refused"):
                outcomes[answer] += 1
            else:
                outcomes["failed"] += 1
                failures.append(Failure(name, answer))
                if keep is not None:
                    shutil.copytree(mutant, keep / mutant.name, dirs_exist_ok=True)
            shutil.rmtree(mutant)
            if not worker.alive:
                worker.close()
                worker = Worker()
    worker.close()
    return outcomes, failures


def in_parts(numbers: range, seed: int, workers: int, keep: Path | None, until: float) -> Result:
    """Share the files among threads, each with a worker process of its own."""
    with ThreadPoolExecutor(workers) as pool:
        parts = [numbers[i::workers] for i in range(workers)]
        done = list(pool.map(lambda part: fuzz(part, seed, keep, until), parts))
    return sum((d[0] for d in done), Counter()), [f for d in done for f in d[1]]


def table(outcomes: Counter[str], failures: list[Failure], seconds: float, wanted: int) -> str:
    """Markdown of an outcome."""
    rows = [
        ("files opened", f"{sum(outcomes.values()):,} of {wanted:,}, {len(SOURCES)} formats"),
        ("usable in spite of it", f"{outcomes['opened']:,}"),
        ("refused in one line", f"{outcomes['refused']:,}"),
        (f"failed (traceback, over {LIMIT_S:g} s, over 2 GiB, unclear)", str(outcomes["failed"])),
        ("time (s)", f"{seconds:.0f}"),
        *((failure.name, failure.what.strip().splitlines()[-1]) for failure in failures),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder to keep failing files in")
    parser.add_argument("--workers", type=int, default=1, help="so many at the same time")
    parser.add_argument("--minutes", type=float, default=60.0, help="no file after that")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    start = time.perf_counter()
    numbers = range(options.first, options.first + options.files)
    until = time.monotonic() + 60 * options.minutes
    outcomes, failures = in_parts(numbers, options.seed, options.workers, options.keep, until)
    for failure in failures:
        print(f"--- {failure.name}\n{failure.what}")
    seconds = time.perf_counter() - start
    part = f"{numbers.start} to {numbers.stop - 1}"
    print(f"files {part}, seed {options.seed}, {seconds:.0f} s: {dict(outcomes)}")
    if options.write:
        command = f"python -m benchmarks.fuzz_io --files {options.files} --first {options.first} "
        command += f"--seed {options.seed} --workers {options.workers} --write"
        body = table(outcomes, failures, seconds, options.files)
        write_section("Mutated files of every format", command, body)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
