# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The cost of a report of a hundred thousand trials: linear in time, bounded in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import made_up_fleet
import pytest

TRIALS = 100_000
MOST_BYTES = 1 << 30
BUFBENCH = Path(sys.executable).with_name("bufbench")
BETWEEN = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
"""


class Cost(NamedTuple):
    """What a command and its processes took."""

    cpu_s: float
    peak_bytes: int  # of the largest process
    output: bytes


def cost(*arguments: str) -> Cost:
    # Between the two stands a small process: what a child has of its parent before it execs counts
    # towards its peak, and these tests may have taken gigabytes.
    done = subprocess.run(
        [sys.executable, "-I", "-c", BETWEEN, BUFBENCH, *arguments],
        capture_output=True,
        check=True,
    )
    cpu_s, peak_kib = done.stderr.split()[-2:]
    return Cost(float(cpu_s), int(peak_kib) * 1024, done.stdout)


def folder(at: Path, trials: int) -> Path:
    at.mkdir()
    assert made_up_fleet.write(at, trials) == trials
    return at


@pytest.mark.slow
def test_a_hundred_thousand_trials(tmp_path: Path) -> None:
    small, large = folder(tmp_path / "small", TRIALS // 5), folder(tmp_path / "large", TRIALS)
    for first in (True, False):
        few, many = (cost("report", str(each), "--json") for each in (small, large))
        # Five times as many take five times as long, less what starting takes; a machine that is
        # busy meanwhile may double either.
        assert many.cpu_s < 10 * few.cpu_s
        assert many.peak_bytes < MOST_BYTES
        if not first:
            continue
        summaries = json.loads(many.output)["summaries"]
        assert len(summaries) == 5
        assert sum(each["trials"][0]["valid"] for each in summaries) * 5 == TRIALS
        for each in summaries:
            for compared in each["comparisons"]:
                latency = compared["numbers"]["latency_p50_ns"]["estimate"]
                assert latency["blocks"] == 20 * made_up_fleet.BLOCKS
                assert latency["point"] == pytest.approx(made_up_fleet.RATIO, rel=0.05)
