# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What this process holds at the moment: memory, files, threads, BPF programs and maps."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Final

import psutil

from bench.measure.health import Sample

_OURS: Final = Path("/proc/self/fd")


def look(*, elapsed_s: float, trials: int) -> Sample:
    """One sample of this process. Reads /proc alone: a bpf() call would be noise for others."""
    kinds = Counter(_kind(name) for name in os.listdir(_OURS))  # noqa: PTH208  its own one goes
    this = psutil.Process()
    return Sample(
        elapsed_s=elapsed_s,
        trials=trials,
        rss_bytes=this.memory_info().rss,
        open_files=this.num_fds(),
        threads=this.num_threads(),
        programs=kinds["bpf-prog"],
        maps=kinds["bpf-map"],
        children=len(this.children(recursive=True)),
    )


def _kind(name: str) -> str:
    """``bpf-map`` of anon_inode:bpf-map; "" for what is closed again or no such thing."""
    try:
        target = str((_OURS / name).readlink())
    except OSError:
        return ""
    return target.removeprefix("anon_inode:").strip("[]")
