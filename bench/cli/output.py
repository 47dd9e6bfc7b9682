# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Output that somebody may stop reading (| head) while there is still something to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.journal.schema import JournalContent


def name_faults(content: JournalContent) -> None:
    """Name on stderr the lines that could not be used, and say what was given more than once."""
    from bench.escape import clean
    from bench.questions.transports.completeness import repeats

    for line in (*content.faults, *repeats(len(content.repeated))):
        print(f"bufbench: {clean(str(line))}", file=sys.stderr)


@contextmanager
def read_or_not() -> Iterator[None]:
    """Let what is printed inside go unread: gates and files that come after still come."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        give_up()


def give_up() -> None:
    """Discard all further output; Python would fail again as it flushes at the end."""
    _to_nowhere(sys.stdout.fileno())


def finish() -> None:
    """Write what still waits. Where the exit code is decided it stands, read or not."""
    try:
        sys.stdout.flush()
    except OSError:
        give_up()


def _to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


class DetachedStream(TextIOWrapper):
    """A stream whose reader may go away: progress must not end what it reports on."""

    def __init__(self, stream: TextIOWrapper) -> None:
        super().__init__(
            stream.detach(), encoding=stream.encoding, errors=stream.errors, line_buffering=True
        )

    def write(self, text: str) -> int:
        """Return the length of ``text``, written or not."""
        try:
            super().write(text)
        except OSError:
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        try:
            super().flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        with suppress(OSError, ValueError):
            _to_nowhere(self.fileno())
