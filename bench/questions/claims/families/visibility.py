# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about what user space gets to see: whole records, reported losses, system calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Final

from bench.judge.metrics import Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, Scale
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import MIB
from bench.plan.config import MIXED, Call, Consumer, Producer, Reader
from bench.plan.experiments import Experiment
from bench.questions.claims.claim import for_perf, for_ring
from bench.questions.claims.compare import Of
from bench.questions.claims.evidence import Evidence, NotMeasured, series
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.claims.quantities import syscalls_per_event
from bench.questions.claims.rules import Rule, counted, inside, none_seen, share
from bench.questions.claims.setting import Setting, by_libbcc, experiment, trial
from bench.questions.transports.profiles import BUSY, EPOLL, PERFBUF, RINGBUF, storms
from workloads.storm import Shape

_FULL: Final = ("full", "refused")  # the latter is what is run over kernels
_CALLS: Final = "system-calls"


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Return how records and losses reach user space, by reader, call, length and stall."""
    storm = replace(storms(on.count)[Shape.STORM], count=750 * on.workers)
    mixed = Producer(records_per_exit=8, payload_bytes=MIXED)
    counting = on.amplified(200, 100, consumer=replace(BUSY, count_syscalls=True))
    stalled = Consumer(reader=Reader.LIBBCC, stall_after_ms=10.0, stall_ms=50.0)
    calls = {call.value: trial(storm, producer=Producer(call=call)) for call in Call}
    readers = {"native": trial(storm), "libbcc": trial(storm, by_libbcc(EPOLL))}
    return (
        experiment(
            "readers",
            "How much of a difference is the reader's, not the transport's?",
            on.each(MIB, readers),
            twins=(),
        ),
        experiment(
            "migration",
            "Does the output call, which perf users know, record the same?",
            on.each(MIB, calls, (RINGBUF,)),
            twins=(),
        ),
        experiment(
            "mixed-lengths",
            "Do records from 72 to 4,168 bytes arrive whole from one buffer?",
            on.each(8 * MIB, {"": trial(replace(storm, count=500), producer=mixed)}),
            twins=(),
        ),
        experiment(
            _CALLS,
            "How many system calls does a busily polling reader make for a record?",
            on.each(MIB, {"busy": counting}),
            twins=(),
        ),
        experiment(
            "lost-counts",
            "Are losses reported to user space while it reads nothing?",
            on.each(2 * PAGE_BYTES, {"libbcc": trial(storm, stalled)}),
            twins=(),
        ),
    )


def _whole(name: str, what: str, *wanted: tuple[str, str | None]) -> Rule:
    """Return the rule that every trial balanced, all records whole, and that none is invalid.

    ``wanted`` are transports, each with the variant of its arms (None: all).
    """

    def judge(evidence: Evidence) -> Finding:
        arms, broken = [], []
        for transport, variant in wanted:
            found = evidence.arms(name, transport, variant=variant)
            invalid = evidence.invalid(name, transport)
            if not found and (variant or not invalid):
                raise NotMeasured(name)
            arms += found
            broken += [trial for trial in invalid if trial not in broken]
        trials = [trial for arm in arms for trial in arm.trials]
        records = sum(trial.ledger.delivered for trial in trials if trial.ledger is not None)
        blocks = min((len(arm.readings) for arm in arms), default=0)
        total = len(trials) + len(broken)
        if broken:
            said = Verdict.REFUTED, f"{broken[0].arm}: {'; '.join(broken[0].reasons)}"
        elif blocks < FEWEST_BLOCKS or not records:
            said = Verdict.INCONCLUSIVE, f"fewer than {FEWEST_BLOCKS} blocks"
        else:
            none = none_seen(total, "trials")
            said = Verdict.REPRODUCED, f"{what} in {none}, of {records:,} records"
        measured = share(f"{len(broken)} of {total} trials: {what}", len(broken), total)
        return counted(said, measured, [(name, arm) for arm in arms])

    return judge


def _calls_of_perf(evidence: Evidence) -> Iterator[str]:
    for arm in evidence.arms(_CALLS, "perfbuf", variant="busy"):
        mean = fmean(series(_CALLS, arm, syscalls_per_event).values.values())
        yield f"perf buffers: {mean:.5f} an event"


def _unreported(
    what: str, transport: str, experiments: Sequence[str], kind: str | None = None
) -> Rule:
    """Return the rule that trials reported less lost than was: of ``kind``, or (None) nothing."""

    def judge(evidence: Evidence) -> Finding:
        for name in experiments:
            if arms := evidence.arms(name, transport):
                return of_arm(name, arms[0])
        raise NotMeasured(experiments[0])

    def of_arm(name: str, arm: ArmSamples) -> Finding:
        lost = reported = short = lossy = 0
        for each in arm.trials:
            if each.ledger is None or not each.ledger.dropped:
                continue
            lossy += 1
            counts = each.lost_told
            found = sum(counts.values()) if kind is None else counts.get(kind, 0)
            lost += each.ledger.dropped
            reported += found
            short += found == 0 if kind is None else found < each.ledger.dropped
        where = "trials that lost something"
        if lossy < FEWEST_BLOCKS:
            said = Verdict.INCONCLUSIVE, f"only {lossy} trials lost anything"
        elif short == lossy:
            said = Verdict.REPRODUCED, f"{what} in every trial that lost something"
        elif short == 0:
            said = Verdict.REFUTED, f"{what} in {none_seen(lossy, where)}"
        else:
            said = Verdict.REPRODUCED, f"{what} in {short} of {lossy} {where}"
        words = f"{lost:,} lost, {reported:,} reported, in {lossy} of {len(arm.trials)} trials"
        return counted(said, share(words, short, lossy), [(name, arm)], trials=lossy)

    return judge


CLAIMS: Final = (
    for_ring(
        id="rb-variable-length",
        statement="records of differing length in one buffer",
        sources="TUT",
        test="records of 32 B to 4 KiB mixed",
        reproduced_when="no record that is not whole on either; the bound is in trials",
        experiments=("mixed-lengths",),
        rule=_whole(
            "mixed-lengths", "a record that was not whole", (RINGBUF, None), (PERFBUF, None)
        ),
        comparative=False,
    ),
    for_ring(
        id="rb-no-syscalls",
        statement="user space reads through mapped memory without system calls or copies",
        sources="TUT",
        test="busy-polled drain under storm",
        reproduced_when="system calls per event below 0.01",
        experiments=(_CALLS,),
        rule=inside(
            "system calls an event, busily polled ring",
            lambda evidence: [Of(syscalls_per_event, _CALLS, "ringbuf", "busy")(evidence)],
            high=0.01,
            bound=0.01,
            scale=Scale.DIFFERENCE,
            unit=Unit.COUNT,
            words=("below {1} an event", "above {1} an event", "{1}"),
            details=(_calls_of_perf,),
        ),
        comparative=False,
    ),
    for_ring(
        id="rb-easy-migration",
        statement="a perf-style output call exists",
        sources="TUT, BLOG",
        test="the tracer on bpf_ringbuf_output",
        reproduced_when="every ledger balances, as with reserve/submit; the bound is in trials",
        experiments=("migration",),
        rule=_whole(
            "migration", "a ledger that did not balance", (RINGBUF, "reserve"), (RINGBUF, "output")
        ),
        comparative=False,
    ),
    for_perf(
        id="rb-silent-loss",
        statement="losses are not reported to user space",
        sources="BLOG; iovisor/bcc#3476",
        test="stalled consumer",
        reproduced_when="the library reports none while BPF counts some",
        experiments=("lost-counts",),
        rule=_unreported("nothing was reported", RINGBUF, ("lost-counts",)),
        comparative=False,
    ),
    for_perf(
        id="pb-undercounts",
        statement="the perf lost record misses losses at the tail",
        sources="iovisor/bcc#2396, cilium/tetragon#2839",
        test="storm ends while full",
        reproduced_when="failed writes > reported lost",
        experiments=("full",),
        rule=_unreported("less was reported than lost", PERFBUF, _FULL, "PERF_RECORD_LOST"),
        comparative=False,
    ),
)
