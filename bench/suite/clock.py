# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A clock that replayed rounds advance, so that pytest-benchmark sees the storms' own times."""

from __future__ import annotations


class ReplayClock:
    """A timer for pytest-benchmark: seconds, standing still unless advanced."""

    def __init__(self) -> None:
        self._now_ns = 0

    def __call__(self) -> float:
        """Return the seconds since the clock was made."""
        return self._now_ns / 1e9

    def advance(self, duration_ns: int) -> None:
        """Let so much time pass."""
        self._now_ns += duration_ns
