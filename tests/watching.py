# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run bufbench watch beside a load that begins once it watches."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracing import BUFBENCH, eventually

MAPPED = re.compile(r"anon_inode:(bpf-map|\[perf_event\])$", re.MULTILINE)


@contextmanager
def watching(*words: str, buffers: int = 1) -> Iterator[list[str]]:
    """Watch with ``words``; yield once ``buffers`` are mapped: whatever comes then is counted.

    On leaving, what it printed is in the list.
    """
    printed: list[str] = []
    with subprocess.Popen(
        [*BUFBENCH, "watch", "--json", *words], stdout=subprocess.PIPE, text=True
    ) as child:
        maps = Path(f"/proc/{child.pid}/maps")
        assert eventually(lambda: len(MAPPED.findall(maps.read_text())) >= buffers)
        yield printed
        printed.append(child.communicate(timeout=60)[0])
    assert child.returncode == 0
