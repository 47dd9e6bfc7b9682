# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the second page of a thousand journals takes a fraction of the first.

How long making them takes is printed; asserted is the ratio of the two CPU times.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from browser import chromium, opened
from made_up_trials import blocks, header

from bench.host import process
from bench.journal.writer import encode

pytestmark = [pytest.mark.alone, pytest.mark.slow]

JOURNALS = 1_000


def written(folder: Path) -> Path:
    """Write copies of two runs, the second of which drops more: it is run from the 600th day on."""
    machine = json.loads(encode(header()))
    trials = [
        b"".join(
            encode(trial)
            for experiment in ("storm", "burst")
            for arm, by in (("ringbuf@64KiB", 1), ("perfbuf@64KiB", 2))
            for trial in blocks(
                arm,
                [{"dropped": by * dropped + at, "p50_ns": by * 9_000 + at} for at in range(8)],
                experiment=experiment,
            )
        )
        for dropped in (20, 60)
    ]
    for day in range(JOURNALS):
        at = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)).isoformat()
        line = json.dumps(machine | {"run_id": f"{day:016x}", "started_utc": at}).encode()
        (folder / f"{day:04}.jsonl").write_bytes(line + b"\n" + trials[day >= 600])
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("journals"))


def command(folder: Path) -> list[str]:
    script = "from bench.cli import main; main()"
    return [sys.executable, "-c", script, "history", str(folder), "--format", "html"]


def test_a_thousand_journals(folder: Path) -> None:
    took_s: list[tuple[float, float]] = []
    for _ in range(2):
        began_s, before_s = time.monotonic(), _cpu_s()
        process.run(command(folder), timeout_s=600)
        took_s.append((time.monotonic() - began_s, _cpu_s() - before_s))
    page = (folder / "history.html").read_text(encoding="utf-8")
    print(f"\n(s, CPU s), the first without a cache: {took_s}; {len(page) / 1e6:.2f} MB")
    assert "in 1,000 runs" in page
    assert "2025-08-23" in page  # the 600th day
    assert len(page) < 500_000
    assert page.count("<path") < 3_000  # not a point for each run
    (_, first_cpu_s), (_, second_cpu_s) = took_s
    assert second_cpu_s < first_cpu_s / 2


def test_the_page_of_a_thousand_journals_opens_in_a_second(folder: Path) -> None:
    process.run(command(folder), timeout_s=600)
    with chromium() as browser, opened(browser, folder / "history.html") as page:
        took_ms = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"\nloaded after {took_ms:.0f} ms")
    assert took_ms < 1_000


def _cpu_s() -> float:
    """Return the CPU time of all children that have ended, the drawing process among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
