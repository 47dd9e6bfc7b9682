# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that no evidence against is no evidence for: equal and not worse have to be shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_claims import (
    arm,
    arms,
    bursts,
    dropped,
    evidence,
    finding,
    ladder,
    noisy,
    p50,
    quiet_dropped,
    raised,
    rate,
    stranded,
    syscalls,
    torn,
    violations,
)

from bench.judge.statistics import Scale
from bench.questions.claims.claim import Verdict
from bench.questions.claims.contrast import Contrast
from bench.trial.result import TrialResult

Values = tuple[float, ...]
REPRODUCED, REFUTED, OPEN = Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE


def test_as_few_late_records_as_elsewhere_show_no_missing_wake_up() -> None:
    """39 of 20,000 waited against 13: neither that, nor 0 more than elsewhere, says none."""
    for late, forced in (
        ((39, 0, 0, 0, 0, 0, 0, 0), (13, 0, 0, 0, 0, 0, 0, 0)),
        ((1, 0, 0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0, 0, 0)),
        ((25, 22, 27, 24, 26, 25, 23, 28), (1, 0, 2, 0, 1, 0, 1, 0)),
    ):
        policies = {"ringbuf@64KiB/adaptive": late, "ringbuf@64KiB/forced": forced}
        found = finding("rb-no-missed-wakeup", evidence(arms("last-record", bursts, policies)))
        assert found.verdict is OPEN, found.reason


@pytest.mark.parametrize(
    ("left", "unknown", "expected"),
    [
        (0, 0, REPRODUCED),  # all that waited had been woken in time
        (1, 0, REFUTED),
        (0, 1, OPEN),
        (1, 1, REFUTED),
    ],
)
def test_a_late_record_is_stranded_only_without_a_wake_up(
    left: int, unknown: int, expected: Verdict
) -> None:
    made = arms(
        "last-record",
        stranded(left, unknown),
        {
            "ringbuf@64KiB/adaptive": (0, 39, 0, 0, 0, 0, 0, 0),
            "ringbuf@64KiB/forced": (13, 0, 0, 0, 0, 0, 0, 0),
        },
    )
    found = finding("rb-no-missed-wakeup", evidence(made))
    assert found.verdict is expected, found.reason
    if expected is REPRODUCED:
        assert "0 of 10,000 bursts (at most 0.03 %)" in found.reason
        assert "0 without a wake-up" in found.details


def test_a_block_that_was_not_diagnosed_leaves_it_open_if_any_record_waited() -> None:
    for late, expected in ((1, OPEN), (0, REPRODUCED)):
        made = arm("last-record", "ringbuf@64KiB/adaptive", stranded(0, 0), (5,) * 8)
        made[3] = bursts(made[3], late)
        made[3] = replace(made[3], late=None)
        made += arm("last-record", "ringbuf@64KiB/forced", bursts, (0,) * 8)
        assert finding("rb-no-missed-wakeup", evidence(made)).verdict is expected


def test_none_is_shown_with_its_bound() -> None:
    made = arms(
        "last-record",
        bursts,
        {"ringbuf@64KiB/adaptive": (0,) * 8, "ringbuf@64KiB/forced": (0,) * 8},
    )
    # Of 10,000 none: 1 - 0.05^(1/10000) is 0.03 %.
    found = finding("rb-no-missed-wakeup", evidence(made))
    assert "0 of 10,000 bursts (at most 0.03 %)" in found.reason
    made = arms("chain", violations, {"ringbuf@64KiB": (0,) * 8})
    made += arms("drain-interval", violations, {"ringbuf@1MiB/5ms": (0,) * 8})
    assert "0 of 19,200 pairs (at most 0.016 %)" in finding("rb-order", evidence(made)).reason


@pytest.mark.parametrize(
    ("perf", "expected"),
    [
        ((0.0,) * 8, REPRODUCED),
        (noisy(0.005), REPRODUCED),
        ((0.0,) * 7 + (0.2,), OPEN),  # one block of eight: at most 1 % is not shown
        (noisy(0.1), REFUTED),  # the ring loses more, but the perf buffer loses too
    ],
)
def test_what_does_not_happen_on_the_perf_buffer(perf: Values, expected: Verdict) -> None:
    made = arms("noisy-cpu", quiet_dropped, {"ringbuf@64KiB": noisy(0.6), "perfbuf@64KiB": perf})
    assert finding("rb-noisy-cpu", evidence(made)).verdict is expected


def test_half_of_a_claim_that_does_not_hold_refutes_it_though_the_other_is_open() -> None:
    made = arm("rate-default", "ringbuf@8MiB", rate, (1.9, 2.1) * 4)  # within 1 to 2, or not
    made += arm("rate-default", "ringbuf@8MiB/1cpu", rate, noisy(0.5))
    found = finding("rb-saturates", evidence(made))
    assert (found.verdict, found.p is not None and found.p < 0.01) == (REFUTED, True)
    assert found.reason == "does not hold: all CPUs deliver within 1.25 times what one does"
    made = arm("rate-default", "ringbuf@8MiB", rate, (1.9, 2.1) * 4)
    made += arm("rate-default", "ringbuf@8MiB/1cpu", rate, noisy(2.0))
    assert finding("rb-saturates", evidence(made)).verdict is OPEN


@pytest.mark.parametrize(
    ("perf", "expected"),
    [((0.0,) * 8, REPRODUCED), ((0.0,) * 7 + (0.3,), OPEN), (noisy(0.2), REFUTED)],
)
def test_the_other_half_of_sharing_one_cpu(perf: Values, expected: Verdict) -> None:
    def take(made: TrialResult, share: float) -> TrialResult:
        return rate(dropped(made, share), 3.0 if share > 0.4 else 1.0)

    made = arms("same-cpu", take, {"ringbuf@512KiB": noisy(0.6), "perfbuf@512KiB": perf})
    assert finding("rb-same-cpu", evidence(made)).verdict is expected


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ((0.0,) * 8, REPRODUCED),
        ((0.3, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.1), OPEN),  # more, but not beyond chance
        (noisy(0.3), REFUTED),
    ],
)
def test_not_more_dropped_has_to_be_shown(lost: Values, expected: Verdict) -> None:
    def take(made: TrialResult, share: float) -> TrialResult:
        return rate(dropped(made, share), 6.0)

    made = arm("rate-default", "sharded@8MiB", take, lost)
    made += arm("rate-default", "perfbuf@8MiB", rate, noisy(0.2))
    assert finding("sharded-rb-beats-pb", evidence(made)).verdict is expected


@pytest.mark.parametrize(
    ("perf_many", "expected"),
    [(noisy(1.0)[::-1], REPRODUCED), (torn(1.0), OPEN), (noisy(0.5)[::-1], REFUTED)],
)
def test_about_the_same_has_to_be_shown(perf_many: Values, expected: Verdict) -> None:
    values = {
        "ringbuf@1MiB/1x": noisy(0.9),
        "ringbuf@1MiB/100x": noisy(0.01),
        "perfbuf@1MiB/1x": noisy(1.0),
        "perfbuf@1MiB/100x": perf_many,
    }
    made = arms("backlog", raised, values)
    assert finding("rb-adaptive-wakeup", evidence(made)).verdict is expected


@pytest.mark.parametrize(
    ("ring", "perf", "expected"), [(16, 32, REPRODUCED), (32, 64, OPEN), (64, 128, REFUTED)]
)
def test_a_ring_that_doubles_need_not_only_grow_less(
    ring: int, perf: int, expected: Verdict
) -> None:
    """With half of the CPUs both need 16 KiB."""
    made = ladder("memory-half", 16, 16) + ladder("memory-spread", ring, perf)
    assert finding("rb-memory-scales", evidence(made, cpus=4)).verdict is expected


def everything(latency: Values) -> list[TrialResult]:
    """Let the ring lose less under load; its latency over the perf buffer's is as given."""
    found = ladder("memory-spread", 16, 32) + ladder("memory-onecpu", 16, 32)
    for name in ("storm", "burst", "hotcpu", "stall"):
        for budget in ("8KiB", "64KiB"):
            found += arm(name, f"ringbuf@{budget}", dropped, noisy(0.1))
            found += arm(name, f"perfbuf@{budget}", dropped, noisy(0.4)[::-1])
    for name in ("chain", "trickle", "rate-default"):
        found += arm(name, "ringbuf@64KiB", p50, tuple(30 * each for each in latency))
        found += arm(name, "perfbuf@64KiB", p50, noisy(30)[::-1])
        if name == "chain":  # an A/A pair as wide as the machine
            found += arm(name, "perfbuf@64KiB#2", p50, tuple(30 * each for each in torn(1.0)))
    return found


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        (noisy(1.0), REPRODUCED),
        (noisy(1.1), REPRODUCED),  # worse, but by less than 1.25 times
        (torn(1.0), OPEN),  # no difference is seen, and none of 4 times would be
        (noisy(2.0), REFUTED),  # beyond the margin, however wide the A/A pair
    ],
)
def test_not_worse_is_non_inferior(latency: Values, expected: Verdict) -> None:
    found = finding("rb-default-choice", evidence(everything(latency)))
    assert found.verdict is expected, found.reason
    assert "1.25 times" in found.reason
    assert ("neither worse nor shown not to be in chain" in found.reason) is (expected is OPEN)


def contrast(scale: Scale, values: Values) -> Contrast:
    return Contrast(what="", scale=scale, values=values, margin=0.0, rests_on=())


def test_seven_blocks_show_nothing() -> None:
    assert contrast(Scale.DIFFERENCE, (0.0,) * 7).between(-1, 1)[0] is OPEN
    assert contrast(Scale.DIFFERENCE, (0.0,) * 8).between(-1, 1)[0] is REPRODUCED


def test_both_edges_count() -> None:
    near = tuple(0.01 * each for each in (1, -1, 2, -2, 3, -3, 1, -1))
    assert contrast(Scale.RATIO, near).between(0.8, 1.25)[0] is REPRODUCED
    for shift in (0.6, -0.6):  # about 1.8 and 0.55 times
        moved = tuple(shift + each for each in near)
        assert contrast(Scale.RATIO, moved).between(0.8, 1.25)[0] is REFUTED
        wide = tuple(shift + 20 * each for each in near)
        assert contrast(Scale.RATIO, wide).between(0.8, 1.25)[0] is OPEN


def test_an_interval_within_the_margin_is_not_enough() -> None:
    """Take the median of twelve, which two values twenty times as large hardly move."""
    values = (0.01, -0.01) * 5 + (3.0, 3.0)
    found = contrast(Scale.RATIO, values)
    assert 0.8 < found.estimate.low <= found.estimate.high < 1.25
    assert found.between(0.8, 1.25) == (OPEN, 1.0)


def test_few_system_calls_are_fewer_than_a_number() -> None:
    made = arm("system-calls", "ringbuf@1MiB/busy", syscalls, (0.0,) * 8)
    assert finding("rb-no-syscalls", evidence(made)).reason == "below 0.01 an event"
