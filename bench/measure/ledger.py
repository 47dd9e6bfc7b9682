# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The ledger: whether everything that was attempted was delivered or counted as dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.record import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCounters:
    """What the BPF program counted on one CPU. ``own``: of the storm's processes only."""

    cpu: int
    exits: int
    attempted: int
    dropped: dict[str, int] = field(default_factory=dict)  # cause ("refused", "ENOSPC") -> records
    own_exits: int = 0
    own_attempted: int = 0
    own_dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One trial's account, in records (``exits``, ``reaped`` and ``missed``: in processes)."""

    attempted: int
    delivered: int
    dropped: int
    dropped_by_cause: dict[str, int]
    own_exits: int
    own_attempted: int
    own_delivered: int
    own_dropped: int
    reaped: int | None  # None: no generator, nothing to check own exits against
    missed: int
    residues: tuple[str, ...]  # what does not add up, in words; () when balanced

    @property
    def balanced(self) -> bool:
        """Whether the trial is a result."""
        return not self.residues


def balance(
    records: Records, counters: Sequence[CpuCounters], reaped: int | None = None
) -> Ledger: ...
