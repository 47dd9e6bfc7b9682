# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Idle states and frequencies of CPUs: both decide how long a wake-up takes.

Documentation/admin-guide/pm/cpuidle.rst: whoever holds /dev/cpu_dma_latency open bounds the exit
latency of the idle states that CPUs may enter.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.linux import procfs

_LATENCY: Final = Path("/dev/cpu_dma_latency")
_IDLE: Final = procfs.SYS / "devices/system/cpu/cpuidle"
_CPU: Final = procfs.SYS / "devices/system/cpu/cpu0"


def states() -> str:
    """Return the idle driver and its states in words; "" where there is none."""
    driver = (procfs.read(_IDLE / "current_driver") or "").strip()
    names = sorted(_CPU.glob("cpuidle/state*/name"))
    known = ", ".join((procfs.read(path) or "").strip() for path in names)
    return f"{driver}: {known}" if driver not in ("", "none") and known else ""


def frequency() -> str:
    """Return the first CPU's governor and range in words; "" where this kernel has no say."""
    folder = _CPU / "cpufreq"
    governor, *bounds = (
        (procfs.read(folder / name) or "").strip()
        for name in ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
    )
    if not governor or not all(each.isdecimal() for each in bounds):
        return ""
    least, most = (int(each) // 1_000 for each in bounds)
    return f"{governor}, {least:,} to {most:,} MHz"


@contextmanager
def held_shallow() -> Iterator[bool]:
    """Keep idle CPUs in the state that they leave at once; yield whether that can be asked for."""
    try:
        descriptor = os.open(_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        os.write(descriptor, struct.pack("=i", 0))
        yield True
    finally:
        os.close(descriptor)
