# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the consuming thread, from before the tracer is attached until after it is detached."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Final

from bench.errors import MachineUnfit, UsageError
from bench.host.threads import Once, beside
from bench.plan.config import Consumer, Poll
from bench.tracer.capture import Capture

POLL_MS: Final = 10  # how long a library's poll waits before it checks whether to stop


def reader(capture: Capture, consumer: Consumer) -> Callable[[], None]:
    """Return bufbench's own drain of the mapped buffers, which ends after ``capture.stop()``."""
    return lambda: capture.run(
        poll=consumer.poll,
        interval_ns=int(consumer.interval_ms * 1e6),
        flush_ms=ceil(consumer.flush_ms),
        cost_ns=consumer.cost_ns,
        late_ns=int(consumer.late_ms * 1e6),
    )


def by_library(
    capture: Capture, consumer: Consumer, poll: Callable[[], object], consume: Callable[[], object]
) -> Callable[[], None]:
    """Return a drain by a library's functions; UsageError for a way to wait that it lacks.

    ``poll`` waits up to POLL_MS and reads what is there, ``consume`` reads without waiting.
    """
    if consumer.poll.on_epoll and consumer.poll is not Poll.EPOLL:
        raise UsageError(
            f"{consumer.reader}'s readers use level-triggered epoll",
            remedy=f"take --poll epoll with --reader {consumer.reader}",
        )

    def drain() -> None:
        capture.spend(consumer.cost_ns)
        with metered(capture):
            while not capture.stopping:
                seen = capture.count + capture.overflow
                if consumer.poll is Poll.EPOLL:
                    poll()
                elif consumer.poll is not Poll.STOPPED:
                    consume()
                capture.wakeups_taken += capture.count + capture.overflow > seen
                if consumer.poll in (Poll.TIMED, Poll.STOPPED):
                    time.sleep(consumer.interval_ms / 1e3)
            consume()

    return drain


@contextmanager
def metered(capture: Capture) -> Iterator[None]:
    """Record in the capture the CPU time and switches of this thread while the context lasts."""
    cpu_before, before = time.thread_time_ns(), resource.getrusage(resource.RUSAGE_THREAD)
    yield
    after = resource.getrusage(resource.RUSAGE_THREAD)
    capture.cpu_ns = time.thread_time_ns() - cpu_before
    capture.voluntary_switches = after.ru_nvcsw - before.ru_nvcsw
    capture.involuntary_switches = after.ru_nivcsw - before.ru_nivcsw


@contextmanager
def consuming(capture: Capture, drain: Callable[[], None], consumer: Consumer) -> Iterator[int]:
    """Run ``drain`` in a thread and yield its id; on leaving, all records are read."""
    ready = Once()

    def body() -> None:
        try:
            if consumer.cpu is not None:
                _run_on(consumer.cpu)
        finally:
            ready.report()
        drain()

    with beside(body, name="consumer", stop=capture.stop) as running:
        ready.wait()
        yield running.thread.native_id or 0


def _run_on(cpu: int) -> None:
    """Keep this thread on one CPU; MachineUnfit if it is offline or not allowed."""
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        raise MachineUnfit(
            f"the consumer cannot run on CPU {cpu}: {error.strerror}",
            remedy="is it online? Choose another with --consumer-cpu",
        ) from error
