# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Output that somebody may stop reading (| head) while there is still something to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper


@contextmanager
def read_or_not() -> Iterator[None]:
    """What is printed inside need not be read: gates and files that come after it still come."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        give_up()


def give_up() -> None:
    """From now on nobody gets it; Python would fail again, as it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Heedless(TextIOWrapper):
    """A stream that nobody need read: progress without a reader must not end what it tells of."""

    def __init__(self, stream: TextIOWrapper) -> None:
        super().__init__(
            stream.detach(), encoding=stream.encoding, errors=stream.errors, line_buffering=True
        )

    def write(self, text: str) -> int:
        """Its length, written or not."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """What can be."""
        with suppress(OSError):
            super().flush()
