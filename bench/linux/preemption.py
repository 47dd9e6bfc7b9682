# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The kernel's preemption model: none, voluntary, lazy, full, rt or unknown."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Final

from bench.linux import procfs

UNKNOWN: Final = "unknown"
CONFIG_VARIABLE: Final = "BUFBENCH_KERNEL_CONFIG"
"""In a guest, the file of its kernel's build configuration: nobody put it into /boot."""

# Real-time kernels name the model that they are built upon as well.
_CONFIG: Final = (
    ("CONFIG_PREEMPT_RT", "rt"),
    ("CONFIG_PREEMPT_LAZY", "lazy"),
    ("CONFIG_PREEMPT_NONE", "none"),
    ("CONFIG_PREEMPT_VOLUNTARY", "voluntary"),
    ("CONFIG_PREEMPT", "full"),
)


def model(*, debugfs: str | None, version: str, cmdline: str, config: str | None) -> str:
    """Return the model, from the most reliable source that there is.

    ``debugfs``: sched/preempt, which marks the model in brackets. ``version``: as in uname -v.
    ``config``: the kernel's build configuration.
    """
    if "PREEMPT_RT" in version:  # newer ones mark in debugfs what else they are: full or lazy
        return "rt"
    if debugfs and (marked := re.search(r"\((\w+)\)", debugfs)):
        return marked[1]
    if "PREEMPT_DYNAMIC" in version:
        asked = re.findall(r"(?:^|\s)preempt=(none|voluntary|full|lazy)\b", cmdline)
        if asked:
            return str(asked[-1])
    if config:
        return _from_config(config)
    return "full" if re.search(r"\bPREEMPT\b", version) else UNKNOWN


def _from_config(config: str) -> str:
    for option, name in _CONFIG:
        if re.search(rf"^{option}=y$", config, re.MULTILINE):
            return name
    return UNKNOWN


def running() -> str:
    """Return the model of the kernel underneath."""
    return model(
        debugfs=procfs.read(procfs.SYS / "kernel/debug/sched/preempt"),
        version=os.uname().version,
        cmdline=procfs.read(procfs.PROC / "cmdline") or "",
        config=_build_config(),
    )


def _build_config() -> str | None:
    beside_image = os.environ.get(CONFIG_VARIABLE)
    if beside_image:
        return procfs.read(Path(beside_image))
    try:
        return gzip.decompress((procfs.PROC / "config.gz").read_bytes()).decode()
    except OSError:
        return procfs.read(Path("/boot") / f"config-{os.uname().release}")
