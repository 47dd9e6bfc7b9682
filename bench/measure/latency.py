# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Latency: kernel timestamp to the moment the consumer held the record."""

from __future__ import annotations

from dataclasses import dataclass

from bench.record import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Latency of one trial's delivered records, exact percentiles in ns; zeros without records."""

    count: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int
    histogram: str  # HdrHistogram V2, base64; 1 ns to 1 h, 3 significant digits


def measure(records: Records) -> Latency: ...
