# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Explain what a storm fell short of: lowered by limits, failed in part, or stopped early; pure."""

from __future__ import annotations

from collections.abc import Iterator

from bench.amounts import counted
from bench.host import signals
from workloads.storm import Shape, Storm, StormReport


def shortfall(storm: Storm, report: StormReport) -> tuple[str, ...]:
    """Return the reasons why ``report`` is not the storm asked for, in words; () if it is.

    Journals before schema 3 do not record how many processes a burst had at once; there the
    limits that lowered it, and the calls that failed, are the evidence.
    """
    return tuple(_reasons(storm, report))


def _reasons(storm: Storm, report: StormReport) -> Iterator[str]:
    if report.lowered_from:
        to = f" to {report.at_once:,}" if report.at_once else ""
        yield f"limits lowered the storm from {report.lowered_from:,} processes at once{to}"
    if report.failed:
        causes = ", ".join(f"{name} {count:,}" for name, count in sorted(report.failed.items()))
        times = counted(sum(report.failed.values()), "time")
        yield f"processes or threads could not be made {times} ({causes})"
    by_time = report.stopped_by == "seconds"
    if report.stopped_by and not (storm.timed and by_time):
        limit = f"its limit of {storm.seconds:g} s" if by_time else "a signal"
        asked = storm.count + storm.real_workers
        yield f"{limit} stopped the storm after {report.reaped:,} of {asked:,} processes"
    killed = {
        signals.named(status & 0x7F): count
        for status, count in report.exit_statuses.items()
        if status & 0x7F
    }
    for name, count in sorted(killed.items()):
        yield f"{name} ended {counted(count, 'process', 'processes')} of the storm"
    wanted = storm.real_workers + min(storm.burst_size, storm.count)
    narrow = storm.shape is Shape.BURST and 0 < report.at_once < wanted
    if narrow and not (report.lowered_from or report.failed or report.stopped_by):
        yield (
            f"at most {counted(report.at_once, 'process', 'processes')} existed at once, "
            f"not {wanted:,}"
        )
