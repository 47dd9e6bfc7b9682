# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run an object under a load, on one transport after the other, and note what became of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Final

import numpy as np

from bench.errors import MachineUnfit, UsageError
from bench.host import process
from bench.host.signals import start, uninterrupted
from bench.linux import bpf, procfs
from bench.plan.config import Poll
from bench.questions.object.plan import Load
from bench.tracer.capture import BIN_BITS, Capture
from bench.tracer.libbpf import Libbpf
from bench.tracer.object.measured import Looks, Measuring, Setting, measuring
from bench.tracer.object.package import Package
from workloads.generator import Generator

_GRACE_S: Final = 15.0
_SETTLE_S: Final = 1.0
_SETTLE_EVERY_S: Final = 0.02  # programs may still run for a moment once they are detached

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The object under the load once. None: not known."""

    block: int
    side: str  # a transport
    seconds: float  # of the load
    processes: int | None  # that the storm made
    ended: int | None  # with this code, or by minus this signal; of a command
    attempted: int  # calls that sent; where they are not counted, runs of the programs that send
    failed: int | None  # of those, refused by the kernel
    delivered: int
    discarded: int  # reserved and given up by the program itself
    lost_told: int | None  # by the kernel, of perf buffers
    delivered_bytes: int
    misdated: int  # whose stamp is none
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
    def lost(self) -> int:
        """Count what was lost: refused calls, or at most attempted minus delivered."""
        if self.failed is not None:
            return self.failed
        return max(0, self.attempted - self.delivered - self.discarded)

    @property
    def residue(self) -> int:
        """Count what was neither refused nor read, nor given up; of calls that are counted."""
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
    """Run all rounds: (block, side), of which the empty side is the object as it is."""
    found = []
    for block, side in rounds:
        setting = Setting(
            transport=side,
            budget_bytes=looks.budget_bytes,
            stamp_at=stamp_at,
            stamped_from_ns=time.monotonic_ns(),
        )
        with bpf.statistics() as timed, measuring(library, package, setting) as object_:
            passed = _pass(object_, load)
            found.append(_round(object_, passed, block, side or "+".join(looks.transports), timed))
        say(_line(found[-1]))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passed:
    seconds: float
    processes: int | None
    ended: int | None
    wakeups_raised: int | None


def _pass(measured: Measuring, load: Load) -> _Passed:
    """Let the load pass; the reader has read everything then."""
    with _reading(measured.reader):
        if load.storm is not None:
            with Generator(load.storm) as generator:
                raised = procfs.irq_work()
                with measured.attached:
                    generator.go()
                    report = generator.wait(load.storm.seconds + _GRACE_S)
            seconds, processes, ended = report.seconds, report.reaped, None
        else:
            raised, processes = procfs.irq_work(), None
            with measured.attached:
                begun = time.monotonic()
                ended = _command(load)
                seconds = time.monotonic() - begun
        _settle(measured)
    now = procfs.irq_work()
    return _Passed(
        seconds=seconds,
        processes=processes,
        ended=ended,
        wakeups_raised=None if raised is None or now is None else now - raised,
    )


def _command(load: Load) -> int:
    """Run the command to its end, or to that of its time."""
    with (
        Path(os.devnull).open("wb") as nowhere,
        process.started(load.command, said=nowhere) as child,
    ):
        try:
            return child.wait(load.seconds)
        except TimeoutExpired:
            if load.ends:
                return 0
    raise UsageError(
        f"{load.command[0]} still ran after {load.seconds:g} s",
        remedy="say with --seconds after how long it is to be ended",
    )


def _settle(measured: Measuring) -> None:
    """Wait until nothing is sent any more."""
    deadline, before = time.monotonic() + _SETTLE_S, None
    while time.monotonic() < deadline:
        now = measured.counts() or measured.reader.delivered
        if now == before:
            return
        before = now
        time.sleep(_SETTLE_EVERY_S)


@contextmanager
def _reading(reader: Capture) -> Iterator[None]:
    """Read in a thread; on leaving, all is read."""
    thread = threading.Thread(target=partial(reader.run, poll=Poll.EPOLL), name="consumer")
    with uninterrupted():
        start(thread)
    try:
        yield
    finally:
        reader.stop()
        with uninterrupted():
            thread.join()


def _round(measured: Measuring, passed: _Passed, block: int, side: str, timed: bool) -> Round:
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
    return Round(
        block=block,
        side=side,
        seconds=passed.seconds,
        processes=passed.processes,
        ended=passed.ended,
        attempted=counts.attempted if counts else runs[0] if runs else 0,
        failed=counts.failed if counts else None,
        delivered=reader.delivered,
        discarded=reader.discarded,
        lost_told=measured.refused(),
        delivered_bytes=reader.delivered_bytes,
        misdated=reader.misdated,
        latency_p50_ns=p50,
        latency_p99_ns=p99,
        latency_max_ns=reader.age_max_ns if p50 is not None else None,
        kernel_ns=runs[1] if runs else None,
        kernel_runs=runs[0] if runs else None,
        consumer_cpu_ns=reader.cpu_ns,
        wakeups_taken=reader.wakeups_taken,
        wakeups_raised=passed.wakeups_raised,
        peak_bytes=reader.peak_bytes,
        data_bytes=measured.footprint.data_bytes,
        physical_bytes=measured.footprint.physical_bytes,
    )


def _quantile(ages: np.ndarray, share: float) -> float | None:
    """Return a quantile of ages by the reader's bins; None where there are none."""
    reached = np.cumsum(ages)
    if not reached[-1]:
        return None
    bin_ = int(np.searchsorted(reached, share * float(reached[-1])))
    if bin_ < 2 << BIN_BITS:
        return float(bin_)
    shift = (bin_ >> BIN_BITS) - 1
    return float((bin_ - (shift << BIN_BITS)) << shift)


def _line(found: Round) -> str:
    lost = f", {found.lost:,} lost" if found.lost else ""
    return f"block {found.block + 1}, {found.side}: {found.attempted:,} sent{lost}"
