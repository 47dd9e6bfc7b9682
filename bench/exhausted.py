# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A limit on processes and threads that somebody reached: told as what it is, wherever it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN
from typing import Final

from bench.errors import MachineUnfit

_NO_THREAD: Final = "can't start new thread"  # Python's words, of a RuntimeError


def told(error: Exception) -> MachineUnfit | None:
    """The line for it; None if the error is about something else."""
    no_thread = isinstance(error, RuntimeError) and error.args == (_NO_THREAD,)
    # A write that would block has the errno of a fork that may not be.
    written = hasattr(error, "characters_written")
    no_process = isinstance(error, BlockingIOError) and error.errno == EAGAIN and not written
    if not no_thread and not no_process:
        return None
    return MachineUnfit(
        "no process or thread could be started: a limit on their number is reached",
        remedy="raise pids.max of this cgroup or ulimit -u, or end what else runs",
    )


@contextmanager
def in_words() -> Iterator[None]:
    """Raises MachineUnfit in place of what Python says of such a limit."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        if (too_many := told(error)) is not None:
            raise too_many from error
        raise
