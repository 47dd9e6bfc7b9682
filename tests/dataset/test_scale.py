# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The cost of a report of a hundred thousand trials: linear in time, bounded in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import made_up_fleet
import pytest

TRIALS = 100_000
MOST_BYTES = 1 << 30
BUFBENCH = Path(sys.executable).with_name("bufbench")


class Cost(NamedTuple):
    """What a command and its processes took."""

    cpu_s: float
    peak_bytes: int  # of the largest process
    output: bytes


def cost(*arguments: str) -> Cost:
    with subprocess.Popen([BUFBENCH, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output)


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
