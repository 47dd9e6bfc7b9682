# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find torn records: delivered, but not what a program meant to send; see bpf/common/checked.h."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bench.measure.columns import blocks
from bench.record.layout import CHECKSUM_BYTES
from bench.record.records import CAPTURED, RECORD, Records

_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
_WORDS: Final = RECORD.itemsize // 8
_TURN: Final = np.uint64(5)
_REST: Final = np.uint64(59)


def checksums(records: Records) -> npt.NDArray[np.uint64]:
    """Return the checksum of each record, over all words that the tracer sent before it.

    Each word is turned and multiplied into the next, so that it depends on their order too.
    """
    words = np.ascontiguousarray(records).view("<u8").reshape(-1, CAPTURED.itemsize // 8)
    found = np.zeros(len(words), np.uint64)
    for place in range(_WORDS):
        found = ((found << _TURN | found >> _REST) ^ words[:, place]) * _FACTOR
    return found


def intact(records: Records) -> Records:
    """Return those of checked records that are what was sent, in the order of delivery.

    All others are torn: their checksum is another's, or they are the copy of a record that
    was there before, sent in place of the program's own.
    """
    fits = np.concatenate([_fits(rows) for rows in blocks(records)] or [np.zeros(0, np.bool_)])
    places = np.flatnonzero(fits)
    names = records["cpu"][places].astype(np.uint64) << np.uint64(32)
    names |= records["sequence"][places]
    _, first = np.unique(names, return_index=True)
    if len(first) == len(records):
        return records
    found: Records = records[places[np.sort(first)]]
    return found


def _fits(rows: Records) -> npt.NDArray[np.bool_]:
    upper = (checksums(rows) >> np.uint64(32)).astype(np.uint32)  # that the capture kept
    fits: npt.NDArray[np.bool_] = (rows["tail"] == upper) & (
        rows["length"] == RECORD.itemsize + CHECKSUM_BYTES
    )
    return fits
