# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Time `bufbench trace` up to its first line: imports, compiling, attaching; not asserted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = [pytest.mark.live, pytest.mark.slow]

ROUNDS = 7
COMMAND = [sys.executable, "-c", "from bench.cli import main; main()", "trace", "--duration", "60"]


def test_trace_starts(benchmark: BenchmarkFixture) -> None:
    running: list[subprocess.Popen[str]] = []

    def end() -> None:
        for tracer in running:
            tracer.kill()
            tracer.communicate()
        running.clear()

    def start() -> str:
        running.append(
            subprocess.Popen(
                COMMAND,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )
        )
        assert running[-1].stdout is not None
        return running[-1].stdout.readline()

    try:
        heading = benchmark.pedantic(start, setup=end, rounds=ROUNDS, warmup_rounds=1)
    finally:
        end()
    assert heading.startswith("TIME")
