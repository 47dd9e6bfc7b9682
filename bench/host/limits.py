# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A limit that somebody reached, on processes, memory or open files: named wherever it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM
from typing import Final

from bench.errors import MachineUnfit
from bench.linux import refusal

_NO_THREAD: Final = "can't start new thread"  # Python's words, of a RuntimeError


def told(error: Exception) -> MachineUnfit | None:
    """The line for it; None if the error is about something else."""
    if _is_about_memory(error):
        return refusal.refused("this process gets no more memory", OSError(ENOMEM, ""))
    if isinstance(error, OSError) and error.errno in (EMFILE, ENFILE):
        return refusal.refused("no more files can be opened", error)
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


def _is_about_memory(error: Exception) -> bool:
    # The loader has no errno for a library that it cannot map.
    words = str(error) if isinstance(error, OSError | ImportError) else ""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == ENOMEM)
        or "failed to map segment" in words
        or "cannot allocate memory" in words.lower()
    )


@contextmanager
def in_words() -> Iterator[None]:
    """Raises MachineUnfit in place of what Python says of such a limit."""
    try:
        yield
    except (RuntimeError, OSError, MemoryError, ImportError) as error:
        if (too_many := told(error)) is not None:
            raise too_many from error
        raise
