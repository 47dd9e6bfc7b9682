# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold what the BPF program counted; the ledger checks the records against it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCounters:
    """One CPU's counts. ``own``: of the storm's processes only."""

    cpu: int
    exits: int
    attempted: int
    dropped: dict[str, int] = field(default_factory=dict)  # cause ("refused", "ENOSPC") -> records
    own_exits: int = 0
    own_attempted: int = 0
    own_dropped: dict[str, int] = field(default_factory=dict)
