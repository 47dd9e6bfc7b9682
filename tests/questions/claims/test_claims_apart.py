# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test claims that rest on more than a number of each arm: kernels, their logs, capabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from made_up_claims import (
    Set,
    arm,
    cpu,
    dropped,
    evidence,
    finding,
    noisy,
    rate,
    steady_rate,
    torn,
    waking,
    write_time,
)
from made_up_trials import header, machine

from bench.journal.schema import JournalContent, Run
from bench.measure.cost import Occupancy
from bench.questions.claims.claim import Finding, Verdict
from bench.questions.claims.evidence import of_journals
from bench.trial.result import State, TrialResult

Values = tuple[float, ...]
REPRODUCED, REFUTED, OPEN = Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE
ABSENT, UNKNOWN = Verdict.NOT_APPLICABLE, Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("behind", "plain", "expected"),
    [
        (0, 1_300, REPRODUCED),
        (1_300, 1_300, REFUTED),
        (0, 2, OPEN),  # nothing wakes the reader here
        (1, 1_300, OPEN),  # a reader that was not yet asleep
    ],
)
def test_records_behind_a_silent_discard(behind: int, plain: int, expected: Verdict) -> None:
    """1,250 bursts of two, which wake the reader so often."""
    made = arm("discarded", "ringbuf@64KiB/discard", waking, (behind,) * 8)
    made += arm("discarded", "ringbuf@64KiB/reserve", waking, (plain,) * 8)
    assert finding("rb-discard-strands", evidence(made)).verdict is expected


def test_without_the_control_nothing_is_said_of_discards() -> None:
    made = arm("discarded", "ringbuf@64KiB/discard", waking, (0,) * 8)
    assert finding("rb-discard-strands", evidence(made)).verdict is UNKNOWN


def of_kernel(
    release: str, lock: str, ring: Values, blocks: int = 8, preemption: str = "none"
) -> Run:
    """Return a journal in which perf takes 200 ns."""
    trials = arm("storm-duet", "ringbuf@1MiB", write_time, ring[:blocks])
    trials += arm("storm-duet", "perfbuf@1MiB", write_time, noisy(200)[:blocks][::-1])
    on = replace(machine(), kernel_release=release, preemption=preemption)
    on = replace(on, kernel_facts={"ring_lock": lock})
    return Run(header=replace(header(), machine=on), trials=tuple(trials))


def over(*runs: Run) -> Sequence[Finding]:
    found = of_journals(JournalContent(runs=runs, faults=()))
    return [finding("rqspinlock-cost", each) for each in found]


@pytest.mark.parametrize(
    ("ring", "expected", "words"),
    [
        (noisy(130), REPRODUCED, "costs more"),
        (noisy(70), REPRODUCED, "costs less"),
        (noisy(100), REFUTED, "the same"),
        (torn(100), OPEN, "holds both"),
    ],
)
def test_the_lock_is_judged_by_the_kernels_next_to_the_change(
    ring: Values, expected: Verdict, words: str
) -> None:
    """Ignore the other kernels, although they differ by far more."""
    found = over(
        of_kernel("7.3.4", "rqspinlock_t", noisy(900)),
        of_kernel("6.18.1", "rqspinlock_t", ring[::-1]),
        of_kernel("5.10.2", "spinlock_t", noisy(20)),
        of_kernel("6.12.8", "raw_spinlock_t", noisy(100)),
    )
    assert {each.verdict for each in found} == {expected}
    assert words in found[0].reason
    assert found[0].measured is not None
    assert found[0].measured.what.endswith("6.18.1 (rqspinlock_t) over 6.12.8 (raw_spinlock_t)")
    assert len(found[0].details) == 4


def test_locks_are_not_compared_between_rt_kernels_and_others() -> None:
    kernels = [
        of_kernel("6.12.8", "raw_spinlock_t", noisy(100)),
        of_kernel("6.12.9-rt", "raw_spinlock_t", noisy(70), preemption="rt"),
        of_kernel("6.18.1", "rqspinlock_t", noisy(100)[::-1], preemption="lazy"),
    ]
    found = over(*kernels)[0]
    assert found.verdict is REFUTED
    assert found.measured is not None
    assert found.measured.what.endswith("6.18.1 (rqspinlock_t) over 6.12.8 (raw_spinlock_t)")
    assert {each.verdict for each in over(*kernels[1:])} == {ABSENT}


def test_one_lock_alone_says_nothing_of_the_other() -> None:
    found = over(
        of_kernel("5.10.2", "spinlock_t", noisy(90)), of_kernel("6.1.3", "spinlock_t", noisy(100))
    )
    assert [each.verdict for each in found] == [ABSENT, ABSENT]
    few = over(
        of_kernel("6.12.8", "raw_spinlock_t", noisy(100)),
        of_kernel("6.18.1", "rqspinlock_t", noisy(500), blocks=4),
    )
    assert few[0].verdict is OPEN


def complaining(made: TrialResult, wrong: float) -> TrialResult:
    """Return a trial in which the kernel complained if ``wrong`` is not 0."""
    if not wrong:
        return made
    conditions = replace(made.conditions, kernel_complaints=("BUG: soft lockup - CPU#1",))
    return replace(made, state=State.INVALID, conditions=conditions)


@pytest.mark.parametrize(
    ("preemption", "ring", "perf", "expected"),
    [
        ("rt", (0,) * 80, (0,) * 80, REFUTED),
        ("rt", (0,) * 8, (0,) * 8, OPEN),  # of eight trials none is not shown to be seldom
        ("rt", (0,) * 7 + (1,), (0,) * 8, REPRODUCED),
        ("rt", (0,) * 7 + (1,), (1,) * 8, OPEN),
        ("full", (0,) * 80, (0,) * 80, ABSENT),
        ("full", (1,) + (0,) * 7, (0,) * 8, REPRODUCED),
    ],
)
def test_lock_ups_are_counted_in_the_kernel_s_log(
    preemption: str, ring: Values, perf: Values, expected: Verdict
) -> None:
    made = arm("storm", "ringbuf@64KiB", complaining, ring)
    made += arm("storm", "perfbuf@64KiB", complaining, perf)
    found = evidence(made)
    on = replace(machine(), preemption=preemption)
    assert finding("rt-deadlock-risk", replace(found, machine=on)).verdict is expected


ROOT_LIKE = ("CAP_BPF", "CAP_PERFMON")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"ringbuf": ROOT_LIKE, "perfbuf": (*ROOT_LIKE, "CAP_IPC_LOCK")}, REPRODUCED),
        ({"ringbuf": ROOT_LIKE, "perfbuf": ROOT_LIKE}, REFUTED),
        ({"ringbuf": (*ROOT_LIKE, "CAP_X"), "perfbuf": ROOT_LIKE}, REFUTED),
        ({"ringbuf": ROOT_LIKE, "perfbuf": None}, OPEN),
        ({}, UNKNOWN),
    ],
)
def test_privileges_are_compared_as_sets(
    found: Mapping[str, tuple[str, ...] | None], expected: Verdict
) -> None:
    run = Run(
        header=replace(header(), capabilities=dict(found)),
        trials=tuple(arm("system-calls", "ringbuf@1MiB/busy", rate, noisy(1))),
    )
    (of_machine,) = of_journals(JournalContent(runs=(run,), faults=()))
    assert finding("pb-needs-more-privilege", of_machine).verdict is expected


def polled(perf_all: Values) -> list[TrialResult]:
    """Return CPU time: 10 s a million of perf on half of the CPUs, 8 of the ring either way."""
    made = arm("many-buffers", "perfbuf@1MiB/half", cpu, noisy(10))
    made += arm("many-buffers", "perfbuf@1MiB/all", cpu, perf_all)
    made += arm("many-buffers", "ringbuf@1MiB/half", cpu, noisy(8))
    return made + arm("many-buffers", "ringbuf@1MiB/all", cpu, noisy(8)[::-1])


@pytest.mark.parametrize(
    ("perf_all", "expected"), [(noisy(15), REPRODUCED), (noisy(9), REFUTED), (torn(10.5), OPEN)]
)
def test_many_perf_buffers_are_judged_on_many_cpus(perf_all: Values, expected: Verdict) -> None:
    assert finding("pb-poll-degrades", evidence(polled(perf_all), cpus=32)).verdict is expected
    few = finding("pb-poll-degrades", evidence(polled(perf_all), cpus=8))
    assert few.verdict is ABSENT
    assert few.reason == "needs 32 CPUs, this run had 8"


def test_rings_that_cannot_overwrite_are_not_judged_by_it() -> None:
    old = evidence(facts={"ring_overwrite_pos": "no"})
    for claim in ("rb-overwrite-newest", "rb-overwrite-scales"):
        assert finding(claim, old).verdict is ABSENT
        assert finding(claim, evidence()).verdict is UNKNOWN


def test_what_waits_for_the_end_of_a_storm_is_no_part_of_a_sampled_rate() -> None:
    made = arm("rate-sampled", "ringbuf@1MiB/every500", steady_rate, noisy(4.0))
    made += arm("rate-sampled", "perfbuf@1MiB/every500", steady_rate, noisy(3.0)[::-1])
    found = finding("rb-faster-sampled", evidence(made))
    assert found.verdict is REPRODUCED
    assert found.measured is not None
    assert found.measured.point == pytest.approx(4 / 3, rel=0.02)


def losing_beside(busy: float) -> Set:
    """Return how to set a loss beside a consumer that ran for that share of the time."""

    def take(made: TrialResult, share: float) -> TrialResult:
        found = Occupancy(
            samples=10, p50_share=1.0, p99_share=1.0, max_share=1.0, consumer_idle_share=1 - busy
        )
        return replace(dropped(made, share), occupancy=found)

    return take


@pytest.mark.parametrize(("busy", "expected"), [(0.97, REPRODUCED), (0.2, OPEN)])
def test_a_consumer_that_was_not_given_a_cpu_was_not_saturated(
    busy: float, expected: Verdict
) -> None:
    made = arm("slow-consumer", "ringbuf@8KiB", losing_beside(busy), noisy(0.7))
    made += arm("slow-consumer", "ringbuf@256KiB", losing_beside(busy), noisy(0.695))
    made += arm("capacity-spread", "ringbuf@16KiB", dropped, noisy(0.6))
    made += arm("capacity-spread", "ringbuf@128KiB", dropped, (0.0,) * 8)
    found = finding("consumer-bound-size", evidence(made))
    assert found.verdict is expected
    assert ("20.0 % of the time" in found.reason) is (expected is OPEN)
