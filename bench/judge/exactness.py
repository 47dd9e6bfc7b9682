# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How exactly latencies are known: of records that shared a stamp they may be too long."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from bench.judge.metrics import Group, Metric
from bench.judge.samples import ArmSamples
from bench.measure.latency import Percentiles
from bench.trial.result import TrialResult


def largest_error(trials: Iterable[TrialResult]) -> Percentiles | None:
    """Return by how much the latencies of any trial are too long at most; None: not recorded."""
    errors = [each.latency.error for each in trials if each.latency and each.latency.error]
    if not errors:
        return None
    return Percentiles(
        count=sum(each.count for each in errors),
        p50_ns=max(each.p50_ns for each in errors),
        p90_ns=max(each.p90_ns for each in errors),
        p99_ns=max(each.p99_ns for each in errors),
        p999_ns=max(each.p999_ns for each in errors),
        max_ns=max(each.max_ns for each in errors),
    )


def apparent(metric: Metric, *arms: ArmSamples) -> float:
    """Return by what share latencies of equal arms may seem to differ for lack of stamps."""
    if metric.group is not Group.LATENCY:
        return 0.0
    return max(_too_long(metric.key.removeprefix("latency_"), arm.trials) for arm in arms)


def _too_long(name: str, trials: Iterable[TrialResult]) -> float:
    """Return the median over trials of how much too long a percentile is, as a share."""
    shares: list[float] = []
    for each in trials:
        if each.latency is not None and each.latency.count:
            error_ns = 0 if each.latency.error is None else getattr(each.latency.error, name)
            shares.append(error_ns / max(getattr(each.latency, name) - error_ns, 1))
    return median(shares or [0.0])
