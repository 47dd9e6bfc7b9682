# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Explain errors of limits on processes, memory and open files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM
from typing import Final

from bench.errors import MachineUnfit
from bench.linux import refusal

_NO_THREAD: Final = "can't start new thread"  # Python's words, of a RuntimeError


def explained(error: Exception) -> MachineUnfit | None:
    """Return the error to raise instead; None if ``error`` has another cause."""
    if _is_about_memory(error):
        return refusal.refused("this process gets no more memory", OSError(ENOMEM, ""))
    if isinstance(error, OSError) and error.errno in (EMFILE, ENFILE):
        return refusal.refused("no more files can be opened", error)
    no_thread = isinstance(error, RuntimeError) and error.args == (_NO_THREAD,)
    # Non-blocking writes also raise EAGAIN; exclude them.
    written = hasattr(error, "characters_written")
    no_process = isinstance(error, BlockingIOError) and error.errno == EAGAIN and not written
    if not no_thread and not no_process:
        return None
    return MachineUnfit(
        "no process or thread could be started: a limit on their number is reached",
        remedy=refusal.remedy_for(EAGAIN),
    )


def _is_about_memory(error: Exception) -> bool:
    # The loader reports no errno for a library that it cannot map.
    words = str(error) if isinstance(error, OSError | ImportError) else ""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == ENOMEM)
        or "failed to map segment" in words
        or "cannot allocate memory" in words.lower()
    )


@contextmanager
def explain() -> Iterator[None]:
    """Raise MachineUnfit in place of Python's own errors at such a limit."""
    try:
        yield
    except (RuntimeError, OSError, MemoryError, ImportError) as error:
        if (too_many := explained(error)) is not None:
            raise too_many from error
        raise
