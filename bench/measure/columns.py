# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Take columns out of a capture's 88-byte rows once, contiguous, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.record.records import CAPTURED, Records

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# 5.8 MB of rows: a block is still in the cache when its next column is read, and long enough
# for two threads to wait seldom for the interpreter.
BLOCK_ROWS = 65_536


def blocks(rows: npt.NDArray[Any], size: int = BLOCK_ROWS) -> Iterator[npt.NDArray[Any]]:
    """Yield consecutive slices of at most ``size`` rows, in order, without a copy."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def select(
    records: Records, names: Sequence[str], *, having: int = 0, lacking: int = 0
) -> dict[str, npt.NDArray[Any]]:
    """Select columns of records whose flags have all of ``having``, none of ``lacking``.

    Order of delivery is kept. Unsigned 64-bit fields (times in ns) come as int64, so that
    differences may be negative; the others keep their type.
    """
    columns = {name: np.empty(len(records), _signed(name)) for name in names}
    filled = 0
    for rows in blocks(records):
        wanted = (rows["flags"] & np.uint16(having | lacking)) == having
        count = int(np.count_nonzero(wanted))
        for name, column in columns.items():
            values = rows[name]
            column[filled : filled + count] = values if count == len(rows) else values[wanted]
        filled += count
    return {name: column[:filled] for name, column in columns.items()}


def stable_order(values: Integers) -> Integers:
    """Return ``np.argsort(values, kind="stable")``, several times faster on long arrays.

    Value and position are packed into one integer, so that numpy's vectorised sort of plain
    integers does the work. Where both do not fit into 63 bits, argsort itself is used.
    """
    if not len(values):
        return np.empty(0, np.int64)
    lowest, highest = int(values.min()), int(values.max())
    position_bits = len(values).bit_length()
    if (highest - lowest).bit_length() + position_bits > 63:
        return np.argsort(values, kind="stable").astype(np.int64, copy=False)
    packed = values - lowest
    packed <<= position_bits
    packed |= np.arange(len(values))
    packed.sort()
    packed &= (1 << position_bits) - 1
    return packed


def percentiles(values: Integers, permilles: Sequence[int]) -> tuple[int, ...]:
    """Return exact nearest-rank percentiles of ``values``, which is reordered in place.

    Each is one of the values, never between two (numpy calls the method ``inverted_cdf``). All are
    0 when there are no values.
    """
    if not len(values):
        return tuple(0 for _ in permilles)
    ranks = [max(-(-len(values) * permille // 1000), 1) - 1 for permille in permilles]
    values.partition(ranks)
    return tuple(int(values[rank]) for rank in ranks)


def _signed(name: str) -> np.dtype[Any]:
    kind = CAPTURED[name]
    return np.dtype(np.int64) if kind == np.dtype("<u8") else kind
