# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure how full the buffers were over a trial, and how busy the consumer was.

Sampled by the consumer at the beginning of each pass: bytes written and not yet read, over all
buffers (ring: producer minus consumer position; perf: data_head minus data_tail).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.measure.columns import percentiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """Shares from 0 to 1."""

    samples: int
    p50_share: float  # of the data bytes, over the samples
    p99_share: float
    max_share: float
    consumer_idle_share: float  # of the storm's time that the consumer was off its CPU

    @property
    def consumer_busy_share(self) -> float:
        """Return the share of the storm's time that the consumer was on its CPU."""
        return 1.0 - self.consumer_idle_share


def measure(
    used_bytes: npt.NDArray[np.uint64],
    data_bytes: int,
    *,
    consumer_cpu_ns: int,
    storm_ns: int,
) -> Occupancy:
    """Summarise ``used_bytes``: one sample a pass, shape (n,). All zeros without samples."""
    idle = 1.0 - min(consumer_cpu_ns / storm_ns, 1.0) if storm_ns > 0 else 0.0
    p50, p99, most = percentiles(used_bytes.astype(np.int64), (500, 990, 1000))
    return Occupancy(
        samples=len(used_bytes),
        p50_share=p50 / data_bytes,
        p99_share=p99 / data_bytes,
        max_share=most / data_bytes,
        consumer_idle_share=idle,
    )
