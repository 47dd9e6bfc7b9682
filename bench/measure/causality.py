# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find causal pairs: a parent that reaped its children exits after them and must come later."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.measure.columns import Integers, blocks, select
from bench.record.records import Flag, Records

_GOLDEN: Final = 0x9E3779B97F4A7C15  # odd, and its bits are spread: Fibonacci hashing


class Pairs(NamedTuple):
    """Pairs found, and those of them that were delivered parent first."""

    examined: int
    violations: int


def find_pairs(records: Records, *, having: int = 0) -> Pairs:
    """Find parents and children among the records whose flags have all of ``having``.

    Matched by pid and start time, if the parent's record says that it had no children left.
    Records 2..K of an exit take no part; of several of one process the first delivered counts.
    """
    rows = select(
        records,
        ("pid", "start_ns", "parent_pid", "parent_start_ns", "flags"),
        having=having,
        lacking=Flag.REPEAT,
    )
    pid, start_ns = rows["pid"], rows["start_ns"]
    children = np.arange(len(pid), dtype=np.int32)
    parents = children[(rows.pop("flags") & np.uint16(Flag.NO_CHILDREN)) != 0]
    examined = violated = salt = 0
    # A hash join. Where several parents want one slot the first delivered has it; the others, and
    # the children without a parent so far, meet again in the next round, under another hash.
    while len(parents) and len(children):
        bits = max(int(1.5 * len(parents)).bit_length(), 4)
        holders = np.full(1 << bits, -1, np.int32)
        for parent in reversed(list(blocks(parents))):
            slots = _slots(pid[parent], start_ns[parent], bits, salt)
            holders[slots[::-1]] = parent[::-1]
        orphans = []
        for child in blocks(children):
            sought_pid, sought_ns = rows["parent_pid"][child], rows["parent_start_ns"][child]
            holder = holders[_slots(sought_pid, sought_ns, bits, salt)]
            found = (pid[holder] == sought_pid) & (start_ns[holder] == sought_ns) & (holder >= 0)
            examined += int(np.count_nonzero(found))
            violated += int(np.count_nonzero(found & (holder < child)))
            orphans.append(child[~found & (holder >= 0)])
        losers = []
        for parent in blocks(parents):
            holder = holders[_slots(pid[parent], start_ns[parent], bits, salt)]
            lost = holder != parent
            loser, holder = parent[lost], holder[lost]
            other = (pid[loser] != pid[holder]) | (start_ns[loser] != start_ns[holder])
            losers.append(loser[other])
        parents, children = np.concatenate(losers), np.concatenate(orphans)
        salt += 1
    return Pairs(examined, violated)


def _slots(
    pid: npt.NDArray[np.uint32], start_ns: Integers, bits: int, salt: int
) -> npt.NDArray[np.uint64]:
    """Place processes in a table of ``1 << bits``, scattered differently by each salt."""
    key = start_ns.view(np.uint64)
    if not salt:
        # Processes of one time have pids in a row: neighbours here too, which the cache likes.
        key = (key >> np.uint64(27)) * np.uint64(_GOLDEN) >> np.uint64(40)
        key += pid
        key &= np.uint64((1 << bits) - 1)
        return key
    key = key ^ pid.astype(np.uint64) << np.uint64(40)
    key *= np.uint64(_GOLDEN * (2 * salt + 1) % (1 << 64))
    key >>= np.uint64(64 - bits)
    return key
