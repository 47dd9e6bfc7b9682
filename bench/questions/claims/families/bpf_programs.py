# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about BPF programs: torn records, counts in place of events, silent discards."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.judge.metrics import Unit
from bench.judge.statistics import FEWEST_BLOCKS, counted_share, loss_bound
from bench.judge.sums import torn as sums
from bench.linux import version
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import MIB
from bench.plan.config import Call, Consumer, Poll, Producer
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Finding, Measured, Side
from bench.questions.claims.compare import Of
from bench.questions.claims.evidence import Evidence, NotApplicable, NotMeasured
from bench.questions.claims.rules import INCONCLUSIVE, REFUTED, REPRODUCED
from bench.questions.claims.setting import BLOCKS, Setting, experiment, trial
from bench.questions.transports.attachments import TORN, torn
from bench.questions.transports.profiles import EPOLL, RINGBUF, TRANSPORTS, storms
from workloads.storm import Shape, Spawn, Storm

_SINCE: Final = (7, 0)
_NOT_PREEMPTING: Final = ("none", "voluntary")
_PROCESSES: Final = 400

_COUNTING: Final = "aggregate"
_RATE_PER_S: Final = 200_000  # as published
_INTERVAL_MS: Final = 250.0  # a read costs the same however much was counted, and so is seldom

_DISCARDED: Final = "discarded"
_CALLS: Final = (Call.RESERVE, Call.DISCARD)


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Return arms that may tear, a hash that is read now and then, and silent discards."""
    trickle = replace(storms(on.count)[Shape.TRICKLE], count=600)
    events = Producer(records_per_exit=round(_RATE_PER_S / trickle.rate_per_s))
    streamed = trial(trickle, EPOLL, events)
    counted = trial(trickle, Consumer(poll=Poll.TIMED, interval_ms=_INTERVAL_MS), events)
    # Pauses that are much longer than a wake-up takes, in an emulated guest too.
    bursts = Storm(
        shape=Shape.BURST, workers=1, spawn=Spawn.FORK, burst_size=2, pause_ms=5.0, count=150
    )
    watched = replace(EPOLL, late_ms=bursts.pause_ms)
    calls = {call.value: trial(bursts, watched, Producer(call=call)) for call in _CALLS}
    return (
        torn(Storm(count=_PROCESSES, spawn=Spawn.FORK), TRANSPORTS, cpus=on.count, blocks=BLOCKS),
        experiment(
            "counts",
            "What does reading counts cost in place of events?",
            (on.arm(RINGBUF, MIB, "", streamed), on.arm(_COUNTING, MIB, "", counted)),
            twins=(),
        ),
        experiment(
            _DISCARDED,
            "Is a record left without a wake-up behind one that was discarded without one?",
            on.each(16 * PAGE_BYTES, calls, (RINGBUF,)),
            twins=(),
        ),
    )


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
    bound = loss_bound(0, max(delivered, 1))
    said = rules.first(
        (otherwise, REFUTED, "so were records that nothing could tear"),
        (found, REPRODUCED, f"{found:,} of {delivered:,} records; no others"),
        (True, INCONCLUSIVE, f"none of {delivered:,}, so at most {bound:.1%}"),
    )
    shares = [each.torn / max(each.delivered, 1) for each in may]
    share = counted_share(shares, found, delivered)
    measured = Measured.of("torn on raw tracepoints with a scratch", Unit.SHARE, share, bound=0)
    return Finding(*said, measured=measured, blocks=may[0].trials, further_blocks=8)


def _strands(evidence: Evidence) -> Finding:
    """Count records that no wake-up announced, behind a discarded one and behind none."""
    plain, behind = (evidence.arm(_DISCARDED, RINGBUF, call.value) for call in _CALLS)
    control, found = (quantities.late_records(arm.trials) for arm in (plain, behind))
    arms = [(_DISCARDED, plain), (_DISCARDED, behind)]
    left, of = found.stranded or 0, f"{found.records:,} records"
    return rules.counted(
        rules.share("left without a wake-up behind a silent discard", left, found.records),
        arms,
        (rules.fewest(arms) < FEWEST_BLOCKS or not found.records, *rules.TOO_FEW),
        (control.stranded, INCONCLUSIVE, "so were records that no discard came before"),
        (left, REPRODUCED, f"{left:,} of {of}; of those without a discard none"),
        (found.unknown, INCONCLUSIVE, f"of {found.unknown:,} that waited it is not known"),
        (True, REFUTED, rules.none_seen(found.records, "records")),
        details=[
            f"{each.late:,} of {each.records:,} records waited for the next burst, {words}"
            for each, words in ((found, "behind a discard"), (control, "behind none"))
        ],
    )


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
            "{}: {:.2f} s per million".format,
            {
                "rb": Of(quantities.cpu_s_per_million, "counts", RINGBUF),
                "counts": Of(quantities.cpu_s_per_million, "counts", _COUNTING),
            },
        ),
    ),
    Side.PERF.counted(
        id="rb-discard-strands",
        statement="behind a record that was discarded without a wake-up, one that is submitted "
        "with the default flags raises none either, and waits",
        sources="kernel commit f9a80c7ce49e",
        published="documented",
        test="a discard with BPF_RB_NO_WAKEUP before each record, blocking poll; bounds "
        "rb-no-missed-wakeup",
        reproduced_when="records are left without a wake-up there, and none without discards",
        experiments=(_DISCARDED,),
        rule=_strands,
    ),
)
