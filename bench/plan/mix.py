# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make mixes of record lengths: sixteen records in turn, of up to four lengths.

The BPF program takes a record's length from its sequence number, since reserve wants constants and
the reader checks each record's length against what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from statistics import fmean
from typing import Final

from bench.errors import UsageError, check_range
from bench.plan import budgets
from bench.plan.config import Producer
from bench.record.layout import RECORD_BYTES

TURNS: Final = 16
MOST_LENGTHS: Final = 4
LONGEST_BYTES: Final = RECORD_BYTES + 4_096

_REMEDY: Final = "write bytes, or lengths with their shares, like 72:15,1024:1"


def parse(text: str) -> dict[int, float]:
    """Return the records' lengths in bytes, and how often each comes: "256", "72:15,1K:1".

    UsageError for anything else, and for lengths that a record cannot have.
    """
    found: dict[int, float] = {}
    for part in text.split(","):
        length, _, share = part.partition(":")
        try:
            record_bytes, weight = budgets.parse(length), float(share or 1)
        except (UsageError, ValueError):
            raise UsageError(f"{text[:40]!r} is not a length of records", remedy=_REMEDY) from None
        check_range("--record-size", record_bytes, RECORD_BYTES, LONGEST_BYTES)
        if not 0 < weight < 1e9 or record_bytes in found or ("," in text and not share):
            raise UsageError(f"{text[:40]!r} is not a mix of lengths", remedy=_REMEDY)
        found[record_bytes] = weight
    return found


def payload_bytes(record_bytes: float) -> int:
    """Return the padding that makes a tracer's record at least that long, where it can be."""
    return min(LONGEST_BYTES - RECORD_BYTES, max(0, 8 * ceil((record_bytes - RECORD_BYTES) / 8)))


def turns(lengths: Mapping[int, float]) -> tuple[int, ...]:
    """Return the padding of sixteen records in turn, for bytes of a record and its weight.

    Each sixteenth of all records, sorted by length, keeps its mean; neighbours that differ least
    become one until four lengths are left. Long ones are spread evenly over the turns.
    """
    import numpy as np

    sizes, weights = map(np.array, zip(*sorted(lengths.items()), strict=True))
    shares = weights / weights.sum()
    below, summed = (np.concatenate([[0], np.cumsum(each)]) for each in (shares, shares * sizes))
    means = np.diff(np.interp(np.linspace(0, 1, TURNS + 1), below, summed)) * TURNS
    groups = [(1, float(mean)) for mean in means]
    while len(groups) > MOST_LENGTHS:
        at = min(range(len(groups) - 1), key=lambda here: _gap(groups[here], groups[here + 1]))
        (few, mean), (more, other) = groups[at : at + 2]
        groups[at : at + 2] = [(few + more, (few * mean + more * other) / (few + more))]
    padding = [payload_bytes(round(mean, 6)) for count, mean in groups for _ in range(count)]
    return tuple(padding[int(f"{turn:04b}"[::-1], 2)] for turn in range(TURNS))


def padded(producer: Producer, turns: tuple[int, ...]) -> Producer:
    """Return ``producer`` with padding in turn, as :func:`turns` gives it."""
    return replace(producer, payload_bytes=max(turns), mix=turns if len({*turns}) > 1 else ())


def mean_payload_bytes(producer: Producer) -> int:
    """Return the mean padding, a multiple of 8."""
    return payload_bytes(RECORD_BYTES + fmean(producer.mix or (producer.payload_bytes,)))


def _gap(left: tuple[int, float], right: tuple[int, float]) -> float:
    """Return by how much the squared error grows if two groups become one (Ward)."""
    (few, mean), (more, other) = left, right
    return few * more / (few + more) * (mean - other) ** 2
