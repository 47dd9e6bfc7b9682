# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The steady middle of a storm: rates without its beginning and its end.

Workers do not start and stop at once, the consumer sleeps at first, and the last records are read
after the storm. A tenth of the events at either end is left out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bench.record.records import Flag, Records

_LEFT_OUT: Final = 10  # the n-th part of the events, at either end
_FEWEST: Final = 100
"""With fewer events the middle is decided by single ones."""

_MOST: Final = 1 << 16  # exits that are sorted: of more, every n-th


def exit_ns(records: Records) -> float | None:
    """Return the ns from one exit of the storm to the next; None of too few.

    By the kernel's stamps of the exits that were delivered: meaningful where none was dropped.
    """
    exits = np.flatnonzero((records["flags"] & (Flag.OWN | Flag.REPEAT)) == Flag.OWN)
    every = max(1, len(exits) // _MOST)
    spacing_ns = _spacing(np.sort(records["timestamp_ns"][exits[::every]]))
    return None if spacing_ns is None else spacing_ns / every


def delivery_ns(records: Records) -> float | None:
    """Return the ns from one delivery to the next; None of too few."""
    return _spacing(records["delivered_ns"])


def _spacing(times_ns: npt.NDArray[np.uint64]) -> float | None:
    """Return the mean step of ascending times in their middle."""
    if len(times_ns) < _FEWEST:
        return None
    cut = len(times_ns) // _LEFT_OUT
    passed_ns = int(times_ns[-1 - cut]) - int(times_ns[cut])
    return passed_ns / (len(times_ns) - 1 - 2 * cut)
