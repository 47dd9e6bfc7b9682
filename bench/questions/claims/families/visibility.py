# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about what user space sees: whole records, losses, system calls, empty polls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Final

from bench.amounts import bound, counted, digits
from bench.judge.metrics import Unit
from bench.judge.statistics import FEWEST_BLOCKS, one_sided
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import MIB
from bench.plan.config import MIXED, Call, Consumer, Producer, Reader
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Finding, Side
from bench.questions.claims.compare import Of, both, contrasts, form, less, levels
from bench.questions.claims.contrast import SURE, Contrast
from bench.questions.claims.evidence import Evidence, NotMeasured
from bench.questions.claims.planner import Planner, power_of_two, titled, trial
from bench.questions.transports.profiles import BUSY, PERFBUF, RINGBUF, storms
from workloads.storm import Shape

_FULL: Final = ("full", "refused")  # the latter is run over kernels
_CALLS: Final = "system-calls"

_titled = titled(
    {
        "migration": "Does the output call, which perf users know, record the same?",
        "mixed-lengths": "Do records from 72 to 4,168 bytes arrive whole from one buffer?",
        _CALLS: "How many system calls does a busily polling reader make for a record?",
        "lost-counts": "Are losses reported to user space while it reads nothing?",
    }
)


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return how records and losses reach user space, by reader, call, length and stall."""
    storm = replace(storms(on.count)[Shape.STORM], count=750 * on.workers)
    mixed = Producer(records_per_exit=8, payload_bytes=MIXED)
    counting = on.amplified(200, 100, consumer=replace(BUSY, count_syscalls=True))
    stalled = Consumer(reader=Reader.LIBBCC, stall_after_ms=10.0, stall_ms=50.0)
    either = (Call.RESERVE, Call.OUTPUT)
    calls = {call.value: trial(storm, producer=Producer(call=call)) for call in either}
    short = replace(storm, count=500)
    roomy_bytes = max(8 * MIB, 8 * PAGE_BYTES * power_of_two(on.count))
    ask = partial(_titled, twins=())
    return (
        ask("migration", on.each(MIB, calls, (RINGBUF,))),
        ask("mixed-lengths", on.each(roomy_bytes, {"": trial(short, producer=mixed)})),
        ask(_CALLS, on.each(MIB, {"busy": counting})),
        ask("lost-counts", on.each(2 * PAGE_BYTES, {"libbcc": trial(storm, stalled)})),
    )


def _whole(name: str, what: str, *wanted: tuple[str, str | None]) -> rules.Rule:
    """Return the rule that no trial of these transports and variants (None: all) is invalid."""

    def judge(evidence: Evidence) -> Finding:
        transports = {transport for transport, _ in wanted}
        invalid = evidence.samples(name).invalid
        broken = [each for each in invalid if each.config.transport in transports]
        arms = []
        for transport, variant in wanted:
            found = evidence.arms(name, transport, variant=variant)
            if not found and (variant or transport not in {t.config.transport for t in broken}):
                raise NotMeasured(name)
            arms += [(name, arm) for arm in found]
        trials = [trial for _, arm in arms for trial in arm.trials]
        records = sum(trial.ledger.delivered for trial in trials if trial.ledger is not None)
        total = len(trials) + len(broken)
        wrong = "".join(f"{each.arm}: {'; '.join(each.reasons)}" for each in broken[:1])
        none = rules.none_seen(total, "trials")
        return rules.counted(
            rules.share(f"{len(broken)} of {counted(total, 'trial')}: {what}", len(broken), total),
            arms,
            (broken, rules.REFUTED, wrong),
            (rules.fewest(arms) < FEWEST_BLOCKS or not records, *rules.TOO_FEW),
            (True, rules.REPRODUCED, f"{what} in {none}, of {records:,} records"),
        )

    return judge


def _calls_of_perf(evidence: Evidence) -> Iterator[str]:
    calls = Of(quantities.syscalls_per_event, _CALLS, "perfbuf", "busy")(evidence)
    yield f"perf buffers: {digits(fmean(calls.values.values()))} an event"


def _unreported(
    what: str, transport: str, experiments: Sequence[str], kind: str | None = None
) -> rules.Rule:
    """Return the rule that trials reported less loss than there was, of ``kind`` or (None) none."""

    def judge(evidence: Evidence) -> Finding:
        arms = [(name, arm) for name in experiments for arm in evidence.arms(name, transport)][:1]
        if not arms:
            raise NotMeasured(experiments[0])
        trials = arms[0][1].trials
        counts = [
            (each.ledger.dropped, sum(n for of, n in each.lost_told.items() if kind in (None, of)))
            for each in trials
            if each.ledger is not None and each.ledger.dropped
        ]
        lossy, where = len(counts), "trials that lost something"
        short = sum(found < lost if kind is not None else found == 0 for lost, found in counts)
        lost, reported = (sum(each[part] for each in counts) for part in (0, 1))
        of = f"of {counted(len(trials), 'trial')}"
        few = f"only {counted(lossy, 'trial')} lost anything"
        return rules.counted(
            rules.share(f"{lost:,} lost, {reported:,} reported, in {lossy} {of}", short, lossy),
            arms,
            (lossy < FEWEST_BLOCKS, rules.INCONCLUSIVE, few),
            (short == lossy, rules.REPRODUCED, f"{what} in every trial that lost something"),
            (short, rules.REPRODUCED, f"{what} in {short} of {lossy} {where}"),
            (True, rules.REFUTED, f"{what} in {rules.none_seen(lossy, where)}"),
            trials=lossy,
        )

    return judge


_LEAST_SPUN: Final = 0.1  # least share of returns with nothing to read that counts as spinning
_EMPTY: Final = both(quantities.empty_poll_share, "slow-producer", "delayed", "prompt")
_RING, _PROMPT, _PERF, _ = _EMPTY.values()
_SPINS: Final = [
    less(f"polls with nothing to read, rb delayed less {words}", _RING, other, least=_LEAST_SPUN)
    for words, other in (("pb", _PERF), ("rb prompt", _PROMPT))
]
_PER_RECORD: Final = levels(
    form("{}: {} empty polls a record", digits),
    {
        words: part.taking(quantities.empty_polls_per_event)
        for words, part in _EMPTY.items()
        if words != "pb, prompt"
    },
)


def _seldom_empty(evidence: Evidence) -> tuple[str, Contrast, float] | None:
    """Show that a delay certainly makes less than a tenth more of the returns empty."""
    spins = contrasts(_SPINS, evidence)
    found = rules.all_of(spins)
    alike = min(spins, key=lambda one: one_sided(one.values, _LEAST_SPUN)[1])
    p = min(1.0, len(spins) * one_sided(alike.values, _LEAST_SPUN)[1])
    if found.verdict is not rules.INCONCLUSIVE or found.blocks < FEWEST_BLOCKS:
        return None
    if p >= SURE or alike.measured().high >= _LEAST_SPUN:
        return None
    return f"surely less than {bound(_LEAST_SPUN)} more of the returns are empty", alike, p


CLAIMS: Final = (
    Side.RING.counted(
        id="rb-variable-length",
        statement="records of differing length in one buffer",
        sources="TUT",
        test="records of 32 B to 4 KiB mixed",
        reproduced_when="no record that is not whole on either; the bound is in trials",
        experiments=("mixed-lengths",),
        rule=_whole(
            "mixed-lengths", "a record that was not whole", (RINGBUF, None), (PERFBUF, None)
        ),
    ),
    Side.RING.counted(
        id="rb-no-syscalls",
        statement="user space reads through mapped memory without system calls or copies",
        sources="TUT",
        test="busy-polled drain under storm",
        reproduced_when="system calls per event below 0.01",
        experiments=(_CALLS,),
        rule=rules.inside(
            "system calls an event, busily polled ring",
            lambda evidence: [
                Of(quantities.syscalls_per_event, _CALLS, "ringbuf", "busy")(evidence)
            ],
            high=0.01,
            bound=0.01,
            unit=Unit.COUNT,
            each="an event",
            details=[_calls_of_perf],
        ),
    ),
    Side.RING.counted(
        id="rb-easy-migration",
        statement="a perf-style output call exists",
        sources="TUT, BLOG",
        test="the tracer on bpf_ringbuf_output",
        reproduced_when="every ledger balances, as with reserve/submit; the bound is in trials",
        experiments=("migration",),
        rule=_whole(
            "migration", "a ledger that did not balance", (RINGBUF, "reserve"), (RINGBUF, "output")
        ),
    ),
    Side.PERF.claim(
        id="rb-busy-head-spins",
        statement="behind a reserved, uncommitted record a level-triggered poll returns at once, "
        "again and again",
        sources="seen here, not published",
        published="none; seen here: 41,173 returns for 603 records",
        test="returns of poll with nothing to read, with and without a delay between reserve and "
        "submit on one CPU",
        reproduced_when="more of the returns are empty on rb with a delay than on pb with it, and "
        "than on rb without",
        experiments=("slow-producer",),
        rule=rules.refuted_by(rules.above(*_SPINS, details=[_PER_RECORD]), _seldom_empty),
        cpus=2,
    ),
    Side.PERF.counted(
        id="rb-silent-loss",
        statement="losses are not reported to user space",
        sources="BLOG; iovisor/bcc#3476",
        test="stalled consumer",
        reproduced_when="the library reports none while BPF counts some",
        experiments=("lost-counts",),
        rule=_unreported("nothing was reported", RINGBUF, ("lost-counts",)),
    ),
    Side.PERF.counted(
        id="pb-undercounts",
        statement="the perf lost record misses losses at the tail",
        sources="iovisor/bcc#2396, cilium/tetragon#2839",
        test="storm ends while full",
        reproduced_when="failed writes > reported lost",
        experiments=("full",),
        rule=_unreported("less was reported than lost", PERFBUF, _FULL, "PERF_RECORD_LOST"),
    ),
)
