# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Split a trial by CPU: what each attempted and lost, and how late its records came."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.amounts import counted
from bench.measure.columns import percentiles
from bench.record.counters import CpuCounters
from bench.record.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuShare:
    """Hold one CPU's records. Latencies are exact, in ns, and 0 without a delivered record."""

    cpu: int
    attempted: int
    delivered: int
    dropped: int
    latency_p50_ns: int
    latency_p99_ns: int


_NO_BUFFER: Final = {
    "ENOENT": "it was offline when the buffers were made",
    "EOPNOTSUPP": "it went offline after the buffers were made, and came back",
}
"""Errors of an output call, or of the choice of a ring, that only a missing buffer causes."""


def without_buffer(
    counters: Sequence[CpuCounters], offline: Collection[int] = ()
) -> tuple[str, ...]:
    """Name the CPUs whose records were dropped for lack of a buffer, and ``offline`` ones."""
    found = []
    for counts in counters:
        causes = {name: counts.dropped[name] for name in _NO_BUFFER if counts.dropped.get(name)}
        for name, lost in causes.items():
            found.append(
                f"{counted(lost, 'record')} of CPU {counts.cpu} dropped ({name}): "
                f"{_NO_BUFFER[name]}"
            )
        if counts.cpu in offline and not causes:
            found.append(f"CPU {counts.cpu} was offline when the buffers were made")
    return tuple(found)


def shares(
    records: Records,
    counters: Sequence[CpuCounters],
    in_kernel: Mapping[int, tuple[int, int]] | None = None,
) -> tuple[CpuShare, ...]:
    """Return the shares of all CPUs that have counters, in their order.

    ``in_kernel``: what was counted there in place of records, by CPU.
    """
    found = []
    for counts in counters:
        of_cpu = records["cpu"] == counts.cpu
        latency_ns = records["delivered_ns"][of_cpu] - records["timestamp_ns"][of_cpu]
        p50, p99 = percentiles(latency_ns, (500, 990))
        found.append(
            CpuShare(
                cpu=counts.cpu,
                attempted=counts.attempted,
                delivered=len(latency_ns) + (in_kernel or {}).get(counts.cpu, (0, 0))[0],
                dropped=sum(counts.dropped.values()),
                latency_p50_ns=p50,
                latency_p99_ns=p99,
            )
        )
    return tuple(found)
