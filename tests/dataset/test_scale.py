# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the cost of a report of many trials: linear in time, bounded in memory."""

from __future__ import annotations

import json
from pathlib import Path

import made_up_fleet
import pytest
from scale import cost, folder

TRIALS = 60_000
MACHINES = 3
MOST_BYTES = 400 << 20


@pytest.mark.alone
@pytest.mark.slow
def test_many_trials(tmp_path: Path) -> None:
    one = TRIALS // MACHINES
    small, large = folder(tmp_path / "small", one), folder(tmp_path / "large", TRIALS)
    for first in (True, False):
        (few, _), (many, output) = (cost("report", str(each), "--json") for each in (small, large))
        # Three times as many take three times as long, less what starting takes; what grew with
        # the square would take twice that where it takes half of the time.
        assert many.cpu_s < 1.5 * MACHINES * few.cpu_s
        # One machine is in memory at a time: the others' rows would add two thirds. The peak itself
        # differs by a tenth from run to run.
        assert many.peak_bytes < min(1.5 * few.peak_bytes, MOST_BYTES)
        if not first:
            continue
        summaries = json.loads(output)["summaries"]
        assert len(summaries) == MACHINES
        assert sum(each["trials"][0]["valid"] for each in summaries) * 5 == TRIALS
        for each in summaries:
            for compared in each["comparisons"]:
                latency = compared["numbers"]["latency_p50_ns"]["estimate"]
                assert latency["blocks"] == 20 * made_up_fleet.BLOCKS
                assert latency["point"] == pytest.approx(made_up_fleet.RATIO, rel=0.05)
