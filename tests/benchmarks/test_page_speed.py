# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the page of a thousand trials takes some times as long as their text, no more.

Times are printed and not asserted: of two CPU times of one machine, the ratio is.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import pytest
from made_up_trials import blocks, header

from bench.host import process
from bench.journal.writer import JournalWriter

pytestmark = pytest.mark.slow

TRIALS = 1_000
MOST_TIMES = 6
EXPERIMENTS = ("storm", "burst", "hotcpu", "stall", "chain", "pingpong", "trickle", "sizes")


def written(folder: Path) -> Path:
    """Write eight experiments of four budgets and both transports, sixteen blocks each."""
    path = folder / "thousand.jsonl"
    with JournalWriter(path) as writer:
        writer.write(header())
        for at, experiment in enumerate(EXPERIMENTS):
            for rung, budget in enumerate(("8KiB", "64KiB", "512KiB", "4MiB")):
                for transport, slower in (("ringbuf", 1), ("perfbuf", 2)):
                    values = [
                        {
                            "dropped": max(0, 300 * slower - 100 * rung + block),
                            "p50_ns": slower * (10_000 + 100 * block),
                            "window_ns": slower * 1_000 * (block + 1),
                            "consumer_cpu_ns": slower * (1_000_000 + 1_000 * block),
                        }
                        for block in range(16)
                    ]
                    fixed = {"experiment": experiment, "run_ns": 500 if at else None}
                    for trial in blocks(f"{transport}@{budget}", values, **fixed):
                        writer.write(trial)
    assert len(path.read_bytes().splitlines()) > TRIALS
    return path


def test_the_page_of_a_thousand_trials_takes_some_times_their_text(tmp_path: Path) -> None:
    journal = written(tmp_path)
    script = "from bench.cli import main; main()"
    command = [sys.executable, "-c", script, "report", str(journal), "--format"]
    took_s = []
    for form in ("text", "html"):
        began_s, before_s = time.monotonic(), _cpu_s()
        process.run([*command, form], timeout_s=120)
        took_s.append((time.monotonic() - began_s, _cpu_s() - before_s))
    page = journal.with_suffix(".html").read_text(encoding="utf-8")
    print(f"\n(s, CPU s) of text and page: {took_s}, {len(page) / 1e6:.1f} MB")
    assert page.count("<svg role=") >= 10
    assert len(page) < 5_000_000
    (_, text_s), (_, page_s) = took_s
    assert page_s < MOST_TIMES * text_s


def _cpu_s() -> float:
    """Return the CPU time of all children that have ended, the drawing process among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
