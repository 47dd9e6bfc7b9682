# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench's reader: the capture extension's loop with the consumer's settings."""

from __future__ import annotations

from collections.abc import Callable

from bench.plan.config import Consumer
from bench.tracer.capture import Capture


def reader(capture: Capture, consumer: Consumer) -> Callable[[], None]:
    """Return the function that drains the mapped buffers until ``capture.stop()``."""
    return lambda: capture.run(
        poll=consumer.poll,
        interval_ns=int(consumer.interval_ms * 1e6),
        cost_ns=consumer.cost_ns,
        late_ns=int(consumer.late_ms * 1e6),
    )
