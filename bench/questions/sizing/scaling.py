# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Estimate the need of the same load on another number of CPUs, by a model fitted to the storms.

A storm that lost records filled its buffers and was refused the rest, so its backlog is both
together. On N CPUs the same backlog lies in one ring as it does here; per-CPU buffers have Poisson
shares of it, and each must hold the largest. The model's answer is multiplied by the factor between
the size found on this machine's CPUs and the model's for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from bench.judge.load import state_of
from bench.linux.pages import PAGE_BYTES
from bench.plan.config import Producer
from bench.plan.traits import Traits
from bench.questions.sizing.judge import Sizing
from bench.questions.sizing.plan import stored_bytes
from bench.tracer.transports import traits
from bench.trial.result import State, TrialResult

STORMS: Final = 8
"""Storms that must have lost something before a backlog is known."""

_QUANTILE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """Hold the least sizes on ``cpus`` CPUs, by the model."""

    cpus: int
    backlog_records: int  # 95 % of the storms stay within it
    storms: int  # to which it was fitted
    minimum_bytes: Mapping[str, int]  # by transport, of those that have a minimum here


def scaled(
    sizings: Sequence[Sizing],
    trials: Iterable[TrialResult],
    producer: Producer,
    *,
    here: int,
    there: int,
) -> Scaled | None:
    """Return the need of ``there`` CPUs, by storms on ``here``; None if too few lost anything."""
    import numpy as np

    backlogs = [found for trial in trials if (found := _backlog(trial, here)) is not None]
    if len(backlogs) < STORMS:
        return None
    backlog = float(np.quantile(backlogs, _QUANTILE))
    least = {}
    for sizing in sizings:
        way, minimum_bytes = traits(sizing.transport), sizing.minimum_bytes
        if minimum_bytes is not None:
            modelled, found = (
                _least_bytes(way, backlog, cpus, stored_bytes(way, producer))
                for cpus in (here, there)
            )
            wanted = found * minimum_bytes // modelled
            least[way.name] = max(wanted, way.buffers(there) * PAGE_BYTES)
    return Scaled(
        cpus=there, backlog_records=round(backlog), storms=len(backlogs), minimum_bytes=least
    )


def _backlog(trial: TrialResult, cpus: int) -> int | None:
    """Return the most records that were unread at once; None if that cannot be known."""
    ledger, way = trial.ledger, traits(trial.config.transport)
    if ledger is None or state_of(trial) in (State.INVALID, State.REDUCED):
        return None
    held = trial.config.budget_bytes // stored_bytes(way, trial.config.producer)
    # One of several buffers may have been full and another not, unless much was lost.
    filled = ledger.own_dropped > (held if way.buffers(cpus) > 1 else 0)
    return held + ledger.own_dropped if filled else None


def _least_bytes(way: Traits, backlog: float, cpus: int, record_bytes: int) -> int:
    """Return the least budget of ``cpus`` CPUs that holds a backlog in 95 % of storms."""
    from scipy import stats

    buffers = way.buffers(cpus)
    each = backlog
    if buffers > 1:
        each = float(stats.poisson.ppf(_QUANTILE ** (1 / buffers), backlog / buffers))
    pages = max(1, ceil(each * record_bytes / PAGE_BYTES))
    return int(buffers * PAGE_BYTES * (1 << (pages - 1).bit_length()))
