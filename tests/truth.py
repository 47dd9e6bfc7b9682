# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide processes whose ends are known: tests/tracer/truths.c notes each one that it made."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Truth(NamedTuple):
    """Describe one process, as reported to its parent and by /proc while it was a zombie."""

    pid: int
    parent_pid: int
    session: int
    status: int
    comm: bytes


class Teller:
    """Hold the program, waiting in a session of its own; made by :func:`teller`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Return the pid of the program, which is also its session's number."""
        return self._process.pid

    def go(self) -> list[Truth]:
        """Make the processes; what became of each, in the order of reaping."""
        printed, _ = self._process.communicate(b"go\n", timeout=60)
        assert self._process.returncode == 0
        return [_parse(line) for line in printed.splitlines()]


@contextmanager
def teller(program: Path, kind: str, count: int, folder: Path) -> Iterator[Teller]:
    """Yield ``program`` about to make ``count`` processes of ``kind``; cores go to ``folder``."""
    with subprocess.Popen(
        [program, kind, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            yield Teller(process)
        finally:
            process.kill()


def _parse(line: bytes) -> Truth:
    pid, parent_pid, session, status, comm = line.split(b" ", 4)
    return Truth(int(pid), int(parent_pid), int(session), int(status), comm)
