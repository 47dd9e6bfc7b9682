# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about what user space gets to see: whole records, reported losses, system calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Final

from bench.judge.metrics import Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, paired_difference
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import MIB
from bench.plan.config import MIXED, Call, Consumer, Producer, Reader
from bench.plan.experiments import Experiment
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.compare import Of
from bench.questions.claims.evidence import Evidence, NotMeasured, series
from bench.questions.claims.finding import Finding, Measured, Verdict
from bench.questions.claims.quantities import syscalls_per_event
from bench.questions.claims.rules import counted, none_seen, share
from bench.questions.claims.setting import Setting, by_libbcc, experiment, trial
from bench.questions.transports.profiles import BUSY, EPOLL, RINGBUF, storms
from workloads.storm import Shape

_FULL: Final = ("full", "refused")  # the latter is what is run over kernels
_FEW_CALLS: Final = 0.01
"""System calls an event that count as about none."""


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
            "system-calls",
            "How many system calls does a busily polling reader make for a record?",
            on.each(MIB, {"busy": counting}),
            twins=(),
        ),
        experiment(
            "told",
            "Is user space told of what was lost while it read nothing?",
            on.each(2 * PAGE_BYTES, {"libbcc": trial(storm, stalled)}),
            twins=(),
        ),
    )


def _whole(evidence: Evidence, name: str, arms: Sequence[ArmSamples], what: str) -> Finding:
    """Judge whether every trial of ``arms`` balanced, all records whole, and none is invalid."""
    transports = dict.fromkeys(arm.trials[0].config.transport for arm in arms if arm.trials)
    broken = [trial for transport in transports for trial in evidence.invalid(name, transport)]
    trials = [trial for arm in arms for trial in arm.trials]
    records = sum(trial.ledger.delivered for trial in trials if trial.ledger is not None)
    blocks = min((len(arm.readings) for arm in arms), default=0)
    total = len(trials) + len(broken)
    if broken:
        verdict, reason = Verdict.REFUTED, f"{broken[0].arm}: {'; '.join(broken[0].reasons)}"
    elif blocks < FEWEST_BLOCKS or not records:
        verdict, reason = Verdict.INCONCLUSIVE, f"fewer than {FEWEST_BLOCKS} blocks"
    else:
        verdict = Verdict.REPRODUCED
        reason = f"{what} in {none_seen(total, 'trials')}, of {records:,} records"
    measured = share(f"{len(broken)} of {total} trials: {what}", len(broken), total)
    return counted((verdict, reason), measured, [(name, arm) for arm in arms])


def _variable_length(evidence: Evidence) -> Finding:
    name = "mixed-lengths"
    return _whole(evidence, name, _either(evidence, name), "a record that was not whole")


def _either(evidence: Evidence, name: str) -> list[ArmSamples]:
    """Return both transports' arms, without one of which all trials are invalid."""
    arms = []
    for transport in ("ringbuf", "perfbuf"):
        found = evidence.arms(name, transport, variant=None)
        if not found and not evidence.invalid(name, transport):
            raise NotMeasured(name)
        arms += found
    return arms


def _easy_migration(evidence: Evidence) -> Finding:
    name = "migration"
    arms = [evidence.arm(name, "ringbuf", call) for call in ("reserve", "output")]
    return _whole(evidence, name, arms, "a ledger that did not balance")


def _no_syscalls(evidence: Evidence) -> Finding:
    name = "system-calls"
    ring = Of(syscalls_per_event, name, "ringbuf", "busy")(evidence)
    values = list(ring.values.values())
    found = paired_difference(values, [0.0] * len(values), mean=True)
    measured = Measured(
        what="system calls an event, busily polled ring",
        unit=Unit.COUNT,
        point=found.point,
        low=found.low,
        high=found.high,
        bound=_FEW_CALLS,
    )
    if len(values) < FEWEST_BLOCKS:
        verdict, reason = Verdict.INCONCLUSIVE, f"fewer than {FEWEST_BLOCKS} blocks"
    elif found.high < _FEW_CALLS:
        verdict, reason = Verdict.REPRODUCED, f"below {_FEW_CALLS} an event"
    elif found.low > _FEW_CALLS:
        verdict, reason = Verdict.REFUTED, f"above {_FEW_CALLS} an event"
    else:
        verdict, reason = Verdict.INCONCLUSIVE, f"the interval reaches over {_FEW_CALLS}"
    perf = (
        series(name, arm, syscalls_per_event).values.values()
        for arm in evidence.arms(name, "perfbuf", variant="busy")
    )
    return Finding(
        verdict=verdict,
        reason=reason,
        measured=measured,
        blocks=len(values),
        further_blocks=max(FEWEST_BLOCKS - len(values), FEWEST_BLOCKS // 2),
        details=tuple(f"perf buffers: {fmean(each):.5f} an event" for each in perf),
        rests_on=ring.rests_on,
    )


def _told(name: str, arm: ArmSamples, kind: str | None, *, wanted: str) -> Finding:
    """Count the trials in which less was reported lost than was. ``kind`` None: all kinds."""
    lossy = [trial for trial in arm.trials if trial.ledger is not None and trial.ledger.dropped]
    lost = told = short = 0
    for each in lossy:
        dropped = each.ledger.dropped if each.ledger is not None else 0
        heard = sum(each.lost_told.values()) if kind is None else each.lost_told.get(kind, 0)
        lost += dropped
        told += heard
        short += heard == 0 if kind is None else heard < dropped
    measured = share(
        f"{lost:,} lost, {told:,} told, in {len(lossy)} of {len(arm.trials)} trials",
        short,
        len(lossy),
    )
    if len(lossy) < FEWEST_BLOCKS:
        verdict, reason = Verdict.INCONCLUSIVE, f"only {len(lossy)} trials lost anything"
    elif short == len(lossy):
        verdict, reason = Verdict.REPRODUCED, f"{wanted} in every trial that lost something"
    elif short == 0:
        verdict = Verdict.REFUTED
        reason = f"{wanted} in {none_seen(len(lossy), 'trials that lost something')}"
    else:
        verdict = Verdict.REPRODUCED
        reason = f"{wanted} in {short} of {len(lossy)} trials that lost something"
    return counted((verdict, reason), measured, [(name, arm)], trials=len(lossy))


def _silent_loss(evidence: Evidence) -> Finding:
    name = "told"
    return _told(name, evidence.arm(name, "ringbuf", "libbcc"), None, wanted="nothing was told")


def _undercounts(evidence: Evidence) -> Finding:
    for name in _FULL:
        if arms := evidence.arms(name, "perfbuf"):
            return _told(name, arms[0], "PERF_RECORD_LOST", wanted="less was told than lost")
    raise NotMeasured(_FULL[0])


CLAIMS: Final = (
    Claim(
        id="rb-variable-length",
        side=Side.RING,
        statement="records of differing length in one buffer",
        sources="TUT",
        test="records of 32 B to 4 KiB mixed",
        reproduced_when="no record that is not whole on either; the bound is in trials",
        experiments=("mixed-lengths",),
        rule=_variable_length,
        comparative=False,
    ),
    Claim(
        id="rb-no-syscalls",
        side=Side.RING,
        statement="user space reads through mapped memory without system calls or copies",
        sources="TUT",
        test="busy-polled drain under storm",
        reproduced_when="system calls per event below 0.01",
        experiments=("system-calls",),
        rule=_no_syscalls,
        comparative=False,
    ),
    Claim(
        id="rb-easy-migration",
        side=Side.RING,
        statement="a perf-style output call exists",
        sources="TUT, BLOG",
        test="the tracer on bpf_ringbuf_output",
        reproduced_when="every ledger balances, as with reserve/submit; the bound is in trials",
        experiments=("migration",),
        rule=_easy_migration,
        comparative=False,
    ),
    Claim(
        id="rb-silent-loss",
        side=Side.PERF,
        statement="user space is not told of losses",
        sources="BLOG; iovisor/bcc#3476",
        test="stalled consumer",
        reproduced_when="the library reports none while BPF counts some",
        experiments=("told",),
        rule=_silent_loss,
        comparative=False,
    ),
    Claim(
        id="pb-undercounts",
        side=Side.PERF,
        statement="the perf lost record misses losses at the tail",
        sources="iovisor/bcc#2396, cilium/tetragon#2839",
        test="storm ends while full",
        reproduced_when="failed writes > lost told",
        experiments=("full",),
        rule=_undercounts,
        comparative=False,
    ),
)
