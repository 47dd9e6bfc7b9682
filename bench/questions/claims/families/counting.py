# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The claim about counts in the kernel, for who wants no more than counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.plan.budgets import MIB
from bench.plan.config import Consumer, Poll, Producer
from bench.plan.experiments import Experiment
from bench.questions.claims.claim import for_either
from bench.questions.claims.compare import Of, levels, over
from bench.questions.claims.quantities import cpu_s_per_million
from bench.questions.claims.rules import above
from bench.questions.claims.setting import Setting, experiment, trial
from bench.questions.transports.profiles import EPOLL, TRANSPORTS, storms
from workloads.storm import Shape

_NAME: Final = "counts"
_COUNTING: Final = "aggregate"
_RATE_PER_S: Final = 200_000  # as published


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Return both buffers at the published rate of events, and a hash read every 20 ms."""
    trickle = replace(storms(on.count)[Shape.TRICKLE], count=150)
    events = Producer(records_per_exit=round(_RATE_PER_S / trickle.rate_per_s))
    streamed = trial(trickle, EPOLL, events)
    counted = trial(trickle, Consumer(poll=Poll.TIMED, interval_ms=20.0), events)
    arms = (
        *on.each(MIB, {"": streamed}),
        on.arm(_COUNTING, MIB, "", counted),
    )
    return (experiment(_NAME, "What does reading counts cost in place of events?", arms),)


_CPU: Final = {
    words: Of(cpu_s_per_million, _NAME, way)
    for words, way in zip(("rb", "pb", "counts"), (*TRANSPORTS, _COUNTING), strict=True)
}

CLAIMS: Final = (
    for_either(
        id="aggregate-instead",
        of_times=True,
        statement="where counts will do, counting in the kernel takes a small part of the CPU "
        "time that a consumer of events takes",
        sources="grafana/beyla#41",
        published="a ring at 200,000 events a second: half a CPU; a hash in the kernel, at "
        "millions: 0.1 %",
        test="200,000 events a second; consumer's CPU time per event, of either buffer over a "
        "per-CPU hash read every 20 ms",
        reproduced_when="both ratios > 1",
        experiments=(_NAME,),
        rule=above(
            *(
                over(
                    f"consumer's CPU time an event, {words} over counts",
                    _CPU[words],
                    _CPU["counts"],
                )
                for words in ("rb", "pb")
            ),
            details=(levels("{}: {:.2f} s per million".format, _CPU, _CPU["counts"]),),
        ),
    ),
)
