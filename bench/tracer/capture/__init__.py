# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Map ring and perf buffers and drain both alike, without the GIL.

For each record it copies, appends and stamps (one or a batch), nothing else. From the bottom:

- ``capture.h``, ``shims``: C that Cython lacks
- ``buffers``: map and unmap, also for the sampler
- ``capture.pxd``: the state that all parts share
- ``consumer``: waiting, stall, cost, late records
- ``rows``: append a record, also as a library's callback, and stamp it
- ``tally``: count a record of any layout instead
- ``ring``, ``overwriting``, ``perf``: where records come from
- ``drain``: the loop over all buffers, and how full they are
- ``capture.pyx``: what Python calls

numpy is not needed here, so that ``bufbench trace`` starts without it.
"""

from bench.tracer.capture.capture import (
    BIN_BITS,
    EVENT_CALLBACK,
    LOST_CALLBACK,
    PERF_CALLBACK,
    RING_CALLBACK,
    Capture,
)

__all__ = [
    "BIN_BITS",
    "EVENT_CALLBACK",
    "LOST_CALLBACK",
    "PERF_CALLBACK",
    "RING_CALLBACK",
    "Capture",
]
