# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about where a tracer's programs are attached."""

from __future__ import annotations

from typing import Final

from bench.amounts import bound
from bench.judge.metrics import Unit
from bench.judge.statistics import counted_share, loss_bound
from bench.judge.sums import torn as sums
from bench.linux import version
from bench.plan.experiments import Experiment
from bench.questions.claims import rules
from bench.questions.claims.claim import Finding, Measured, Side
from bench.questions.claims.evidence import Evidence, NotApplicable, NotMeasured
from bench.questions.claims.planner import BLOCKS, Planner
from bench.questions.claims.rules import INCONCLUSIVE, REFUTED, REPRODUCED
from bench.questions.transports.profiles import TORN, TRANSPORTS, torn
from workloads.storm import Spawn, Storm

_SINCE: Final = (7, 0)
_NOT_PREEMPTING: Final = ("none", "voluntary")
_PROCESSES: Final = 400


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return arms that may tear records, and others that cannot."""
    storm = Storm(count=_PROCESSES, spawn=Spawn.FORK)
    return (torn(storm, TRANSPORTS, cpus=on.count, blocks=BLOCKS),)


def _tears(evidence: Evidence) -> Finding:
    arms = [*sums(evidence.samples(TORN))]
    may = [each for each in arms if each.scratch and each.attach.preemptible]
    if not may or len(may) == len(arms):
        raise NotMeasured(TORN)
    must_not = [each for each in arms if each not in may]
    machine, otherwise = evidence.machine, sum(each.torn for each in must_not)
    found, delivered = (sum(e.torn for e in may), sum(e.delivered for e in may))
    if machine is not None and not found and not otherwise:
        clean = f"none of {delivered:,} records was torn"
        if version.numbers(machine.kernel_release) < _SINCE:
            raise NotApplicable(f"raw tracepoints are preempted from 7.0 on; here {clean}")
        if machine.preemption in _NOT_PREEMPTING:
            raise NotApplicable(f"nothing is preempted in this kernel ({clean})")
    most = loss_bound(0, max(delivered, 1))
    said = rules.first(
        (otherwise, REFUTED, "so were records that nothing could tear"),
        (found, REPRODUCED, f"{found:,} of {delivered:,} records; no others"),
        (True, INCONCLUSIVE, f"none of {delivered:,}, so at most {bound(most)}"),
    )
    shares = [each.torn / max(each.delivered, 1) for each in may]
    share = counted_share(shares, found, delivered)
    measured = Measured.of("torn on raw tracepoints with a scratch", Unit.SHARE, share, bound=0)
    return Finding(*said, measured=measured, blocks=may[0].trials, further_blocks=8)


CLAIMS: Final = (
    Side.EITHER.counted(
        id="raw-tp-tears",
        statement="from Linux 7.0 on programs on raw tracepoints that build records in a per-CPU "
        "scratch may send torn ones",
        sources="falcosecurity/falco#3955",
        published="restarts that follow process churn",
        test="two programs on one scratch, each record held for 0.5 ms; checksums of what each "
        "meant to send; beside perf tracepoints, and records without a scratch",
        reproduced_when="records are torn there, and nowhere else; not applicable before 7.0 and "
        "where the kernel preempts nothing",
        experiments=(TORN,),
        rule=_tears,
    ),
)
