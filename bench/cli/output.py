# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""stdout, which somebody may stop reading (| head) while there is still something to decide."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
