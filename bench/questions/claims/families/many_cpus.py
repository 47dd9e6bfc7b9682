# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge the claim about consumers of many perf buffers."""

from __future__ import annotations

from typing import Final

from bench.plan.budgets import KIB
from bench.plan.experiments import Experiment
from bench.questions.claims.claim import timed_for_ring
from bench.questions.claims.compare import WAYS, Of, levels, over
from bench.questions.claims.quantities import cpu_s_per_million
from bench.questions.claims.rules import above
from bench.questions.claims.setting import Setting, experiment, power_of_two

_NAME: Final = "many-buffers"
_LEAST_CPUS: Final = 4  # that can be halved
_PUBLISHED_CPUS: Final = 32


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Return storms on half of the CPUs and on all of them; none where there are few.

    Below the CPUs of the claim they show that the experiment works, and judge nothing.
    """
    if on.count < _LEAST_CPUS:
        return ()
    writing = {"half": on.count // 2, "all": on.count}
    configs = {
        words: on.on_cpus(on.amplified(20 * count, 50), count) for words, count in writing.items()
    }
    title = "What does a record cost the consumer as more CPUs have a buffer in use?"
    return (experiment(_NAME, title, on.each(64 * KIB * power_of_two(on.count), configs)),)


_CPU: Final = {
    f"{words}, {half}": Of(cpu_s_per_million, _NAME, way, half)
    for words, way in reversed(WAYS.items())
    for half in ("all", "half")
}

CLAIMS: Final = (
    timed_for_ring(
        id="pb-poll-degrades",
        statement="many perf buffers cost their consumer more than in proportion",
        sources="microsoft/retina#1966, "
        "https://blog.zmalik.dev/p/who-will-observe-the-observability",
        published="from 32 CPUs on",
        test="CPU seconds per million events, storms on half of the CPUs and on all",
        reproduced_when="an event costs more with all, and by more than on rb; not applicable "
        "below 32 CPUs",
        experiments=(_NAME,),
        rule=above(
            over(
                "consumer's CPU time a record on pb, all CPUs over half", *list(_CPU.values())[:2]
            ),
            over("the same growth, pb over rb", *_CPU.values()),
            details=(levels("{}: {:.2f} s per million".format, _CPU),),
        ),
        cpus=_PUBLISHED_CPUS,
    ),
)
