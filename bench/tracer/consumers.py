# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Drain with several threads of this process, each its own share of the buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
import psutil

from bench.amounts import counted, size
from bench.errors import MachineUnfit
from bench.plan.config import Consumer
from bench.record.layout import ROW
from bench.record.records import CAPTURED
from bench.tracer.capture import Capture
from bench.tracer.consumer import consuming
from bench.tracer.consumer import reader as alone


def reader(capture: Capture, consumer: Consumer, stack: ExitStack) -> Callable[[], None]:
    """Return a drain by ``consumer.threads``, each with its own share of the mapped buffers.

    There are never more threads than buffers. Each record has its own stamp, since the rows of
    all threads are put into the order of delivery once they have ended. MachineUnfit without
    memory.
    """
    threads = min(consumer.threads, capture.buffer_count)
    wanted_bytes = (threads - 1) * capture.capacity * ROW.size  # each may get nearly all records
    free_bytes = psutil.virtual_memory().available
    if wanted_bytes >= free_bytes:
        raise MachineUnfit(
            f"the records of {counted(threads, 'consumer')} take up to {size(wanted_bytes)} more, "
            f"{size(free_bytes)} are available",
            remedy="take fewer consumers, or a smaller --count",
        )
    others = [Capture(capture.capacity) for _ in range(threads - 1)]
    for each in others:
        stack.callback(each.unmap)
    capture.deal(others)
    for each in (capture, *others):
        each.stamp_each()

    def drain() -> None:
        with ExitStack() as running:
            for each in others:
                running.enter_context(consuming(each, alone(each, consumer), consumer))
            alone(capture, consumer)()
        _gather(capture, others)

    return drain


def _gather(capture: Capture, others: Sequence[Capture]) -> None:
    """Put the rows of all into ``capture`` by their time of delivery, and add up their counts."""
    every = (capture, *others)
    rows = np.concatenate([np.frombuffer(each.array, CAPTURED, each.count) for each in every])
    rows = rows[np.argsort(rows["delivered_ns"], kind="stable")]
    kept = rows[: capture.capacity]
    capture.take(
        kept.view(np.uint8).data,
        overflow=sum(each.overflow for each in every) + len(rows) - len(kept),
        malformed=sum(each.malformed for each in every) + sum(each.misdated for each in others),
        lost=sum(each.lost_reported for each in every),
        empty_polls=sum(each.empty_polls for each in every),
    )
    for each in others:
        capture.wakeups_taken += each.wakeups_taken
        capture.cpu_ns += each.cpu_ns
        capture.voluntary_switches += each.voluntary_switches
        capture.involuntary_switches += each.involuntary_switches
