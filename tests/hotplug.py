# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Switch the last CPU in sysfs, for tests that take it away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.linux import procfs


def last_cpu() -> tuple[int, Path]:
    """Return the last CPU and the file that switches it; skip where it cannot be taken away."""
    last = max(procfs.online_cpus())
    switch = Path(f"/sys/devices/system/cpu/cpu{last}/online")
    if last == 0 or not os.access(switch, os.W_OK):
        pytest.skip("no CPU can be taken away here")
    try:
        switch.write_text("0")
    except OSError as error:
        pytest.skip(f"no CPU can be taken away here: {error}")
    finally:
        switch.write_text("1")
    return last, switch
