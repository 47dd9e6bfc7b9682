# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Account for records that were written, and overwritten before they were read.

Nobody counts them when it happens: the consumer counts the bytes that it found overwritten, the
sequence numbers that are missing say which records they were. Both have to agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from bench.record.counters import CpuCounters
from bench.record.records import Flag, Records

CAUSE: Final = "overwritten"
_HEADER_BYTES: Final = 8


def account(
    records: Records,
    counters: Sequence[CpuCounters],
    overwritten_bytes: int | None,
    lengths: Sequence[int],
) -> tuple[Sequence[CpuCounters], tuple[str, ...]]:
    """Return the counters with a cause more, and what does not add up, in words.

    Both are as they were where nothing is ever overwritten (None).
    ``lengths`` are those of records in the order of their numbers, over and over. Which records
    were refused is not known: where some were and lengths differ, the bytes lie between two bounds.
    """
    if overwritten_bytes is None:
        return counters, ()
    own = (records["flags"] & np.uint16(Flag.OWN)) != 0
    sizes = np.array([(length + _HEADER_BYTES + 7) & ~7 for length in lengths])
    found, missing_bytes, refused = [], 0, 0
    for cpu in counters:
        here = records["cpu"] == cpu.cpu
        lost = cpu.attempted - int(here.sum()) - sum(cpu.dropped.values())
        own_lost = cpu.own_attempted - int((here & own).sum()) - sum(cpu.own_dropped.values())
        kinds = records["sequence"][here] % np.uint32(len(sizes))
        delivered = np.bincount(kinds, minlength=len(sizes))
        attempted = (cpu.attempted + np.arange(len(sizes))[::-1]) // len(sizes)
        missing_bytes += int(((attempted - delivered) * sizes).sum())
        refused += sum(cpu.dropped.values())
        found.append(
            replace(
                cpu,
                dropped=cpu.dropped | ({CAUSE: lost} if lost > 0 else {}),
                own_dropped=cpu.own_dropped | ({CAUSE: own_lost} if own_lost > 0 else {}),
            )
        )
    least, most = (missing_bytes - refused * int(size) for size in (sizes.max(), sizes.min()))
    if least <= overwritten_bytes <= most:
        return tuple(found), ()
    span = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    fault = (
        f"the consumer found {overwritten_bytes:,} bytes overwritten, but records of {span} "
        "are missing"
    )
    return tuple(found), (fault,)
