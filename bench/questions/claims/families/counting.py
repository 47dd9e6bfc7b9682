# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about counts in the kernel instead of events."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.amounts import seconds
from bench.plan.budgets import MIB
from bench.plan.config import Consumer, Poll, Producer
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import Of, form
from bench.questions.claims.planner import Planner, experiment, trial
from bench.questions.transports.profiles import EPOLL, RINGBUF, storms
from workloads.storm import Shape

_COUNTING: Final = "aggregate"
_RATE_PER_S: Final = 200_000  # as published
_INTERVAL_MS: Final = 250.0  # seldom, since a read costs the same however much was counted


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return a ring of events, and a hash that is read now and then."""
    trickle = replace(storms(on.count)[Shape.TRICKLE], count=600)
    events = Producer(records_per_exit=round(_RATE_PER_S / trickle.rate_per_s))
    streamed = trial(trickle, EPOLL, events)
    counted = trial(trickle, Consumer(poll=Poll.TIMED, interval_ms=_INTERVAL_MS), events)
    return (
        experiment(
            "counts",
            "What does reading counts cost in place of events?",
            (on.arm(RINGBUF, MIB, "", streamed), on.arm(_COUNTING, MIB, "", counted)),
            twins=(),
        ),
    )


CLAIMS: Final = (
    Side.EITHER.timed(
        id="aggregate-instead",
        statement="where counts will do, counting in the kernel takes a small part of the CPU "
        "time that a consumer of events takes",
        sources="grafana/beyla#41",
        published="a ring at 200,000 events a second: half a CPU; a hash in the kernel, at "
        "millions: 0.1 %",
        test="200,000 events a second; consumer's CPU time per event, of a ring over a per-CPU "
        "hash read every 250 ms",
        reproduced_when="ratio > 1",
        experiments=("counts",),
        rule=rules.exceeds(
            "consumer's CPU time an event, rb over counts",
            form("{}: {} per million", seconds),
            {
                "rb": Of(quantities.cpu_s_per_million, "counts", RINGBUF),
                "counts": Of(quantities.cpu_s_per_million, "counts", _COUNTING),
            },
        ),
    ),
)
