# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run commands in a time namespace, whose CLOCK_MONOTONIC is not that of kernel timestamps."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from tracing import BUFBENCH

from bench.host import process
from bench.journal.reader import read_journal

pytestmark = [pytest.mark.live, pytest.mark.slow]

STORM = ["--workload", "storm", "--count", "500", "--budget", "64KiB", "--blocks", "2"]


def within(offset: str, *arguments: str) -> process.Completed:
    words = ["unshare", "-T", offset, "--fork", *BUFBENCH, *arguments]
    return process.run(words, timeout_s=60, check=False)


@pytest.mark.parametrize("offset", ["--monotonic=3600", "--monotonic=-90"])
def test_a_run_is_refused_before_it_measures(offset: str, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    done = within(offset, "run", *STORM, "--output", str(journal))
    assert done.returncode == 3, done
    (line,) = done.stderr.splitlines()
    assert "in time namespace time:[" in line
    assert not journal.exists()


def test_an_offset_of_another_clock_does_not_matter(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    done = within("--boottime=3600", "run", *STORM, "--output", str(journal))
    assert done.returncode == 0, done
    latencies = [trial.latency for trial in read_journal(journal).trials]
    assert len(latencies) == 4
    assert all(each is not None and each.max_ns < 60 * 10**9 for each in latencies)


def test_the_doctor_finds_it() -> None:
    done = within("--monotonic=3600", "doctor", "--json")
    assert done.returncode == 3
    found = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    assert found["clocks"]["status"] == "fail"
    assert "3,600 s ahead" in found["clocks"]["seen"]


def test_a_trace_shows_the_time_of_day_all_the_same(tmp_path: Path) -> None:
    output = tmp_path / "shown.jsonl"
    words = [*BUFBENCH, "trace", "--json", "--duration", "2"]
    before_ns = time.time_ns()
    with (
        output.open("w") as file,
        subprocess.Popen(
            ["unshare", "-T", "--monotonic=3600", "--fork", *words], stdout=file
        ) as tracing,
    ):
        while tracing.poll() is None:
            subprocess.run(["true"], check=True)
            time.sleep(0.05)
    shown = [json.loads(line)["time_ns"] for line in output.read_text().splitlines()]
    assert shown
    assert all(before_ns - 10**9 <= each <= time.time_ns() for each in shown)
