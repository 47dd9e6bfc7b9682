# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench's reader: the capture extension's loop with the consumer's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.plan.config import Consumer, Poll
from bench.tracer import _capture
from bench.tracer._capture import Capture

_POLL: Final = {
    Poll.EPOLL: _capture.EPOLL,
    Poll.BUSY: _capture.BUSY,
    Poll.TIMED: _capture.TIMED,
    Poll.STOPPED: _capture.STOPPED,
}


def reader(capture: Capture, consumer: Consumer) -> Callable[[], None]:
    """Return the function that drains the mapped buffers until ``capture.stop()``."""

    def drain() -> None:
        capture.run(
            poll=_POLL[consumer.poll],
            interval_ns=int(consumer.interval_ms * 1e6),
            cost_ns=consumer.cost_ns,
            late_ns=int(consumer.late_ms * 1e6),
        )

    return drain
