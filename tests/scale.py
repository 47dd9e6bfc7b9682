# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure and note what a report of a folder costs: `python tests/scale.py 1000 20000 100000`.

docs/scale.md has the table (tests/quotes.py). Synthetic journals are made in a temporary folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import made_up_fleet

NOTED: Final = Path(__file__).parent / "dataset/scale.json"
BUFBENCH: Final = Path(sys.executable).with_name("bufbench")
_BETWEEN: Final = """
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss, file=sys.stderr)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Hold what a command and its processes took."""

    cpu_s: float
    elapsed_s: float
    peak_bytes: int  # of the largest process


def cost(*arguments: str) -> tuple[Cost, bytes]:
    """Run bufbench: what it took, and its output."""
    # Between the two stands a small process: what a child has of its parent before it execs counts
    # towards its peak, and these tests may have taken gigabytes.
    done = subprocess.run(
        [sys.executable, "-I", "-c", _BETWEEN, BUFBENCH, *arguments],
        capture_output=True,
        check=True,
    )
    cpu_s, elapsed_s, peak_kib = done.stderr.split()[-3:]
    found = Cost(cpu_s=float(cpu_s), elapsed_s=float(elapsed_s), peak_bytes=int(peak_kib) * 1024)
    return found, done.stdout


def folder(at: Path, trials: int) -> Path:
    """Make a folder of journals with so many trials."""
    at.mkdir()
    assert made_up_fleet.write(at, trials) == trials
    return at


def measured(trials: int) -> dict[str, object]:
    """Measure the first report of a folder, and the next."""
    with TemporaryDirectory() as place:
        made = folder(Path(place, "journals"), trials)
        first, again = (asdict(cost("report", str(made), "--json")[0]) for _ in range(2))
        return {"trials": trials, "first": first, "again": again}


def table() -> Iterator[str]:
    """Yield the lines of the table; "per trial" is the slope from the line before."""
    yield "| trials | first report | CPU time | per trial | again | CPU time | per trial | memory |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    nothing = {"trials": 0, "first": None, "again": None}
    rows = json.loads(NOTED.read_text())
    for before, row in pairwise([nothing, *rows]):
        cells = [f"{row['trials']:,}"]
        for name in ("first", "again"):
            cells += [_seconds(row[name][each]) for each in ("elapsed_s", "cpu_s")]
            slope_s = 0.0
            if before[name] is not None:
                slope_s = row[name]["cpu_s"] - before[name]["cpu_s"]
                slope_s /= row["trials"] - before["trials"]
            cells.append(f"{1e3 * slope_s:.3f} ms" if slope_s else "")
        peak_bytes = max(row[name]["peak_bytes"] for name in ("first", "again"))
        yield f"| {' | '.join(cells)} | {peak_bytes / 1e9:.1f} GB |"
    most = rows[-1]
    cells = [f"{10 * most['trials']:,}, ten times that"]
    for name in ("first", "again"):
        times = (f"{10 * most[name][each] / 60:.0f} min" for each in ("elapsed_s", "cpu_s"))
        cells += [*times, ""]
    yield f"| {' | '.join(cells)} | |"


def _seconds(taken_s: float) -> str:
    return f"{taken_s:.1f} s" if taken_s < 10 else f"{taken_s:.0f} s"


if __name__ == "__main__":
    rows = [measured(int(each)) for each in sys.argv[1:]]
    NOTED.write_text(json.dumps(rows, indent=1) + "\n")
