# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the worker processes of a data set."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest
from tracing import eventually

FIRST = """
import time
from bench.dataset.processes import processes

with processes() as shared:
    print(*shared.map(time.sleep, [{}] * 8, worth=True), flush=True)
    print(*shared.map(time.sleep, [600] * 8, worth=True))
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="on one CPU there is no other process")
@pytest.mark.parametrize("busy_s", [0.0, 0.3])
def test_none_is_left_when_the_first_is_killed(busy_s: float) -> None:
    """With the shorter time the first process is killed while others are still starting."""
    command = [sys.executable, "-P", "-c", FIRST.format(busy_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith(b"None")
        others = psutil.Process(first.pid).children(recursive=True)
        first.kill()
    assert len(others) >= 2
    assert eventually(lambda: not any(each.is_running() for each in others))
