# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Order of delivery: causal violations, and apart from them timestamp inversions."""

from __future__ import annotations

from dataclasses import dataclass

from bench.record import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """Order of one trial's own records, as delivered."""

    causal_pairs: int  # parent and child both delivered, the parent without children left
    causal_violations: int  # of those, delivered parent first
    inversions: int  # events delivered after one with a later kernel timestamp
    lateness_p50_ns: int  # over the inverted events: ns behind the latest seen; 0 without any
    lateness_p99_ns: int
    lateness_max_ns: int
    displacement_p50: int  # over the same: positions behind the place by timestamp
    displacement_p99: int
    displacement_max: int
    window_ns: int  # hold-back that would have restored order, by time
    window_events: int  # the same, by events held
    window_cost_p50_ns: int  # latency that holding back window_ns would have added
    window_cost_p99_ns: int


def examine(records: Records) -> Ordering: ...
