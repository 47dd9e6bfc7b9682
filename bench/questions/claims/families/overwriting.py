# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about rings that overwrite their oldest records, from Linux 6.19 on."""

from __future__ import annotations

from functools import partial
from typing import Final

from bench.amounts import time
from bench.judge.numbers import number
from bench.plan.budgets import MIB
from bench.plan.config import Wake
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import Of, form, levels, over
from bench.questions.claims.evidence import Evidence
from bench.questions.claims.families.kernel import ByProducers
from bench.questions.claims.planner import Planner, experiment
from bench.questions.transports.profiles import AWAY, RINGBUF

_NAME: Final = "overwriting"
_OVERWRITING: Final = "overwrite"


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return an overwriting ring that holds part of a storm, by producers, and a refusing one.

    No record is read before the end.
    """
    at_once = max(50, min(1_000, 8_000 // on.count))
    config = on.amplified(240, at_once, wake=Wake.NONE, consumer=AWAY, kernel_stats=True)
    written = (
        on.arm(_OVERWRITING, MIB, f"{count}cpu", on.on_cpus(config, count))
        for count in on.producers()
    )
    refusing = on.arm(RINGBUF, MIB, "1cpu", on.on_cpus(config, 1))
    title = "What does a ring keep that overwrites, and at what cost as more CPUs write?"
    return (experiment(_NAME, title, (*written, refusing)),)


def _overwriting(evidence: Evidence) -> str:
    facts = evidence.machine.kernel_facts if evidence.machine is not None else {}
    lacking = facts.get("ring_overwrite_pos") == "no"
    return "rings overwrite from Linux 6.19 on; this kernel's cannot" if lacking else ""


_age = partial(Of, quantities.latency_p50_ns, _NAME)
_ONE, _ALL = (
    ByProducers(number("kernel_ns_per_record"), _NAME, _OVERWRITING, end) for end in ("one", "all")
)
_WRITES: Final = {"from one CPU": _ONE, "from all": _ALL}


CLAIMS: Final = (
    Side.RING.timed(
        id="rb-overwrite-newest",
        statement="a ring that overwrites keeps the newest events",
        sources="kernel commit feeaf1346f80",
        test="stopped reader, a ring that holds a part of the storm; age of the records when they "
        "are read, refusing over overwriting",
        reproduced_when="what it kept is younger than what a refusing ring kept; not applicable "
        "before 6.19",
        experiments=(_NAME,),
        lacks=_overwriting,
        rule=rules.exceeds(
            "median age when read, refusing over overwriting",
            form("{}: {} old when read, median", time),
            {"refusing": _age(RINGBUF, "1cpu"), "overwriting": _age(_OVERWRITING, "1cpu")},
        ),
    ),
    Side.PERF.timed(
        id="rb-overwrite-scales",
        statement="the more CPUs write into a ring that overwrites, the less it takes",
        sources="bpf list 2025",
        published="32.2 M/s at 1 producer, 9.6 at 2, 2.2 at 52",
        test="stopped reader, in-kernel ns per write, producers 1..CPUs",
        reproduced_when="ns per write grows; not applicable before 6.19",
        experiments=(_NAME,),
        lacks=_overwriting,
        rule=rules.above(
            over("kernel ns a write that overwrites, all CPUs over one", _ALL, _ONE),
            details=[levels(form("{}: {} a write", time), _WRITES, _ONE)],
        ),
        cpus=2,
    ),
)
