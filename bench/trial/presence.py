# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Watch whether the harness runs all the while: stopped, frozen or starved, it reads nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from bench.host.signals import repeated

_TICK_NS: Final = 50_000_000


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """Look at the clock 20 times a second, in a thread of its own, within the context.

    What it yields returns the longest time in ns, up to then, that the harness did not run.
    """
    last_ns, longest_ns = time.monotonic_ns(), 0

    def away_ns() -> int:
        return max(longest_ns, time.monotonic_ns() - last_ns - _TICK_NS)

    def look() -> None:
        nonlocal last_ns, longest_ns
        longest_ns, last_ns = away_ns(), time.monotonic_ns()

    with repeated(look, _TICK_NS / 1e9, name="presence"):
        yield away_ns
