"""Short form of the benchmarks, about ten minutes: ``make bench``.

    python -m benchmarks [--only NAME ...]

Each writes its section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from benchmarks.page import write_section

_DISPLAY = ["xvfb-run", "-a"] if shutil.which("xvfb-run") and not os.environ.get("DISPLAY") else []

SECTIONS: dict[str, tuple[str, list[str], bool]] = {
    "quality": (
        "Quality after 30 s, bundled volumes",
        ["benchmarks.quality", "--budget", "30", "--paint", "slices", "strokes",
         "--methods", "densify", "interpolation", "forest", "skimage-forest", "monai"],
        False,
    ),
    "presets": (
        "Presets, narrowed, after 20 s",
        ["benchmarks.isbi", "--budget", "20", "--width", "8", "--volumes", "nuclei", "fibsem",
         "--presets", "auto", "anisotropic", "residual"],
        False,
    ),
    "paint": ("A dab in a Labels layer", ["benchmarks.paint_latency"], True),
    "preview": ("From slider to preview", ["benchmarks.preview_latency", "--repeats", "3"], False),
    "compare": ("Every method on every volume", ["benchmarks.compare_all"], False),
    "live": (
        "Live loop: seconds until the viewer shows it, 1024 x 1024",
        ["benchmarks.live_preview"],
        False,
    ),
    "gauge": (
        "Held-out Dice against the truth, 1.0% of a slice painted",
        ["benchmarks.gauge", "--seeds", "6"],
        False,
    ),
    "user": (
        "Painted slices needed: suggested against evenly spaced",
        ["benchmarks.simulated_user", "--seeds", "2", "--slices", "6"],
        False,
    ),
    "responsive": (
        "The viewer's event loop while it is painted, moved and trained",
        ["benchmarks.gui_responsive", "--minutes", "1.5"],
        True,
    ),
    "kill": ("Kills in random moments", ["benchmarks.kill_project", "--kills", "40"], False),
}  # fmt: skip


def main() -> None:
    """Run the sections asked for, one after the other: figures need a quiet machine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="*", choices=list(SECTIONS), default=list(SECTIONS))
    for name in parser.parse_args().only:
        title, words, viewer = SECTIONS[name]
        command = [*(_DISPLAY if viewer else []), sys.executable, "-m", *words]
        print(f"{title} ...", flush=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        print(done.stderr.strip(), file=sys.stderr)
        text = done.stdout.strip()
        print(text, flush=True)
        table = [line for line in text.splitlines() if not line.startswith("{")]
        body = "\n".join(table)
        if not body.startswith("|"):
            body = f"```\n{body}\n```"
        write_section(title, f"python -m {' '.join(words)}", body)


if __name__ == "__main__":
    main()
