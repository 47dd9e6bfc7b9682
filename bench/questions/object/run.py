# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run an object under a load, on one transport after the other, and count its events' fates."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.amounts import given
from bench.errors import MachineUnfit, Say, UsageError
from bench.host import process
from bench.linux import bpf, procfs
from bench.plan.config import Consumer
from bench.questions.object.plan import Load
from bench.report.document import pick
from bench.tracer.capture import BIN_BITS
from bench.tracer.consumer import consuming
from bench.tracer.consumer import reader as native
from bench.tracer.libbpf import Libbpf
from bench.tracer.object.measured import Looks, Measuring, measuring
from bench.tracer.object.package import Package
from workloads.generator import Generator

_GRACE_S: Final = 15.0
_SETTLE_S: Final = 1.0
_SETTLE_EVERY_S: Final = 0.02  # detached programs may still run for a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Hold one run of the object under the load. None: not known."""

    block: int
    side: str  # a transport
    seconds: float  # of the load
    processes: int | None  # of the storm
    ended: int | None  # exit code of the command, or minus the signal
    attempted: int  # calls that send; if not counted, runs of the programs that send
    failed: int | None  # of those, refused by the kernel
    delivered: int
    discarded: int  # reserved and given up by the program itself
    lost_told: int | None  # by the kernel, of perf buffers
    delivered_bytes: int
    misdated: int  # with an invalid stamp
    latency_p50_ns: float | None
    latency_p99_ns: float | None
    latency_max_ns: int | None
    kernel_ns: int | None  # of the programs that send
    kernel_runs: int | None
    consumer_cpu_ns: int
    wakeups_taken: int
    wakeups_raised: int | None
    peak_bytes: int  # unread at once
    data_bytes: int  # of the buffers
    physical_bytes: int

    @property
    def lost(self) -> int | None:
        """Count the events lost: refused calls, or at most attempted minus delivered.

        None: not known, since calls are not counted and runs send more than one event.
        """
        if self.failed is not None:
            return self.failed
        left = self.attempted - self.delivered - self.discarded
        return left if left >= 0 else None

    @property
    def residue(self) -> int:
        """Count the events neither refused, read nor discarded; 0 if calls are not counted."""
        if self.failed is None:
            return 0
        return self.attempted - self.failed - self.delivered - self.discarded


def run(
    library: Libbpf,
    package: Package,
    looks: Looks,
    load: Load,
    rounds: Sequence[tuple[int, str]],
    *,
    stamp_at: int,
    say: Say,
) -> list[Round]:
    """Run all rounds, each (block, side); an empty side is the object as it is."""
    found = []
    for block, side in rounds:
        loaded = measuring(
            library,
            package,
            looks.budget_bytes,
            side,
            stamp_at=stamp_at,
            stamped_from_ns=time.monotonic_ns(),
        )
        with bpf.statistics() as timed, loaded as object_:
            passed = _pass(object_, load)
            now = _round(object_, passed, block, side or "+".join(looks.transports), timed)
        found.append(now)
        lost = f", {now.lost:,} lost" if now.lost else ""
        say(f"block {block + 1}, {now.side}: {now.attempted:,} sent{lost}")
    return found


def _pass(measured: Measuring, load: Load) -> dict[str, float | None]:
    """Run the load until everything is read; return the fields of a round that this determines."""
    reader, consumer = measured.reader, Consumer()
    processes = ended = None
    with consuming(reader, native(reader, consumer), consumer):
        if load.storm is not None:
            with Generator(load.storm) as generator:
                raised = procfs.irq_work()
                with measured.attached:
                    generator.go()
                    report = generator.wait(load.storm.seconds + _GRACE_S)
            seconds, processes = report.seconds, report.reaped
        else:
            raised = procfs.irq_work()
            with measured.attached:
                begun = time.monotonic()
                ended = _command(load)
                seconds = time.monotonic() - begun
        _settle(measured)
    now = procfs.irq_work()
    return {
        "seconds": seconds,
        "processes": processes,
        "ended": ended,
        "wakeups_raised": None if raised is None or now is None else now - raised,
    }


def _command(load: Load) -> int:
    """Run the command until it ends or its time is over."""
    with (
        Path(os.devnull).open("wb") as nowhere,
        process.started(load.command, output=nowhere, tied=True) as child,
    ):
        code = process.ended(child, load.seconds)
        if code is not None or load.ends:
            return code or 0
    raise UsageError(
        f"{load.command[0]} still ran after {given(load.seconds, 's')}",
        remedy="set with --seconds after how long to end it",
    )


def _settle(measured: Measuring) -> None:
    """Wait until no more events are sent."""
    deadline, before = time.monotonic() + _SETTLE_S, None
    while time.monotonic() < deadline:
        now = measured.counts() or measured.reader.delivered
        if now == before:
            return
        before = now
        time.sleep(_SETTLE_EVERY_S)


def _round(
    measured: Measuring, passed: dict[str, float | None], block: int, side: str, timed: bool
) -> Round:
    reader, counts, runs = measured.reader, measured.counts(), None
    if timed:
        runs = measured.runs()
    elif counts is None:
        raise MachineUnfit(
            f"neither calls nor runs are counted: {measured.uncounted}",
            remedy="grant CAP_SYS_ADMIN, or set sysctl kernel.bpf_stats_enabled=1",
        )
    ages = np.frombuffer(reader.age_counts(), np.uint64)
    p50, p99 = (_quantile(ages, each) for each in (0.5, 0.99))
    return pick(
        Round,
        reader,
        **passed,
        block=block,
        side=side,
        attempted=counts.attempted if counts else runs[0] if runs else 0,
        failed=counts.failed if counts else None,
        lost_told=measured.refused(),
        latency_p50_ns=p50,
        latency_p99_ns=p99,
        latency_max_ns=reader.age_max_ns if p50 is not None else None,
        kernel_ns=runs[1] if runs else None,
        kernel_runs=runs[0] if runs else None,
        consumer_cpu_ns=reader.cpu_ns,
        data_bytes=measured.footprint.data_bytes,
        physical_bytes=measured.footprint.physical_bytes,
    )


def _quantile(ages: np.ndarray, share: float) -> float | None:
    """Return a quantile of ages from the reader's bins; None if they are empty."""
    reached = np.cumsum(ages)
    if not reached[-1]:
        return None
    bin_ = int(np.searchsorted(reached, share * float(reached[-1])))
    if bin_ < 2 << BIN_BITS:
        return float(bin_)
    shift = (bin_ >> BIN_BITS) - 1
    return float((bin_ - (shift << BIN_BITS)) << shift)
