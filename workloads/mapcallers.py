# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make bpf() map calls all the time, in processes beside a storm."""

from __future__ import annotations

import select
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.errors import MachineUnfit

EXECUTABLE: Final = Path(__file__).parent / "mapcalls"
"""Where the build installs the program."""

_READY_S: Final = 10.0


@contextmanager
def calling(processes: int, *, executable: Path = EXECUTABLE) -> Iterator[tuple[int, ...]]:
    """Have ``processes`` processes call for as long as the context lasts; yield their pids.

    MachineUnfit if one cannot be started or may not make a map.
    """
    with ExitStack() as stack:
        started = [_start(executable, stack) for _ in range(processes)]
        for process in started:
            _await_ready(process)
        yield tuple(process.pid for process in started)


def _start(executable: Path, stack: ExitStack) -> subprocess.Popen[bytes]:
    """Start one, which ``stack`` kills and reaps: it has nothing to clean up."""
    try:
        process = subprocess.Popen(
            [executable],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        raise MachineUnfit(
            f"cannot start {executable}: {error.strerror}",
            remedy="install the package, which builds it",
        ) from error
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def _await_ready(process: subprocess.Popen[bytes]) -> None:
    said, poll = "", select.poll()  # select() takes no descriptor beyond 1,023
    if process.stdout:
        poll.register(process.stdout, select.POLLIN)
        if poll.poll(_READY_S * 1e3):
            said = process.stdout.readline().decode(errors="replace").strip()
    if said != "ready":
        raise MachineUnfit(f"a process that is to make map calls said {said!r}, not ready")
