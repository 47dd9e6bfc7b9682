# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Bound the error of latencies: those of records that share a stamp may be too long."""

from __future__ import annotations

import numpy as np

from bench.judge.metrics import Group, Metric
from bench.judge.samples import ArmSamples
from bench.measure.latency import Percentiles


def largest_error(arm: ArmSamples) -> Percentiles | None:
    """Return by how much the latencies of any trial are too long at most; None: not recorded."""
    names = ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")
    errors = {name: arm.number(f"latency_error_{name}") for name in names}
    if np.isnan(errors["max_ns"]).all():
        return None
    return Percentiles(
        count=arm.total("latency_error_count"),
        **{name: int(np.nanmax(found)) for name, found in errors.items()},
    )


def apparent(metric: Metric, *arms: ArmSamples) -> float:
    """Return by what share latencies of equal arms may seem to differ for lack of stamps."""
    if metric.group is not Group.LATENCY:
        return 0.0
    return max(_too_long(metric.key, arm) for arm in arms)


def _too_long(key: str, arm: ArmSamples) -> float:
    """Return the median over trials of how much too long a percentile is, as a share."""
    found_ns = arm.number(key)
    known = ~np.isnan(found_ns)
    if not known.any():
        return 0.0
    error_ns = np.nan_to_num(arm.number(key.replace("latency_", "latency_error_", 1)))[known]
    return float(np.median(error_ns / np.maximum(found_ns[known] - error_ns, 1)))
