# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test claims that rest on duets: what write times within the same storms make of them."""

from __future__ import annotations

import re

import pytest
from made_up_claims import arm, dropped, evidence, finding, noisy, p50, torn, write_time

from bench.questions.claims.claim import Verdict
from bench.trial.result import TrialResult

Values = tuple[float, ...]
REPRODUCED, REFUTED, OPEN = Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE


def duet(experiment: str, **write_ns: Values) -> list[TrialResult]:
    """Return one storm a value; arms by transport and variant: ``ringbuf_forced``."""
    return [
        trial
        for name, values in write_ns.items()
        for trial in arm(experiment, "{}@1MiB/{}".format(*name.split("_")), write_time, values)
    ]


@pytest.mark.parametrize(
    ("output", "expected"),
    [(noisy(130), REPRODUCED), (noisy(80), REFUTED), (noisy(100), OPEN), (torn(103), OPEN)],
)
def test_reserve_is_held_against_output_at_each_size(output: Values, expected: Verdict) -> None:
    made = []
    for size in (0, 4096):
        made += duet(
            f"reserve-output-{size}", ringbuf_output=output, ringbuf_reserve=noisy(100)[::-1]
        )
    found = finding("reserve-beats-output", evidence(made))
    assert found.verdict is expected
    assert [line.split(":")[0] for line in found.details] == [
        "with 0 bytes of payload",
        "with 4,096 bytes of payload",
    ]


@pytest.mark.parametrize(
    ("adaptive", "forced", "expected"),
    [(90, 500, REPRODUCED), (70, 500, REFUTED), (90, 80, REFUTED), (80, 500, OPEN)],
)
def test_policies_are_compared_two_by_two(
    adaptive: float, forced: float, expected: Verdict
) -> None:
    made = duet(
        "wake-adaptive", ringbuf_adaptive=noisy(adaptive), ringbuf_none=noisy(80)[::-1]
    ) + duet("wake-forced", ringbuf_forced=noisy(forced), ringbuf_adaptive=noisy(adaptive)[::-1])
    made += duet("wake-timed-adaptive", ringbuf_adaptive=noisy(80), ringbuf_none=noisy(80))
    made += duet("wake-timed-forced", ringbuf_forced=noisy(200), ringbuf_adaptive=noisy(80))
    found = finding("manual-wakeup-boost", evidence(made))
    assert found.verdict is expected
    said = r"timed consumer: 20\d ns and 8\d ns a record"  # in the middle of their buckets
    assert any(re.search(said, line) for line in found.details)


@pytest.mark.parametrize(("ring", "expected"), [(300, REPRODUCED), (100, REFUTED)])
def test_output_calls_are_compared_within_the_same_storms(ring: float, expected: Verdict) -> None:
    made = duet("wake-output", ringbuf_output=noisy(ring), perfbuf_perf=noisy(200)[::-1])
    assert finding("rb-output-slower", evidence(made)).verdict is expected


@pytest.mark.parametrize(
    ("busy_ring", "expected"), [(400, REPRODUCED), (100, REFUTED), (115, REFUTED)]
)
def test_the_tax_is_a_ratio_of_two_duets(busy_ring: float, expected: Verdict) -> None:
    """Beside one that sleeps the ring takes 100 ns and perf 200; polled busily perf takes 240."""
    made = duet("beside-busy", ringbuf_ringbuf=noisy(busy_ring), perfbuf_perfbuf=noisy(240)[::-1])
    made += duet("beside-asleep", ringbuf_ringbuf=noisy(100), perfbuf_perfbuf=noisy(200)[::-1])
    found = finding("busy-poll-taxes-rb", evidence(made))
    assert found.verdict is expected
    assert found.measured is not None
    assert found.measured.point == pytest.approx(busy_ring / 240 / (100 / 200), rel=0.03)


def defaults(latency: Values) -> list[TrialResult]:
    """Let the ring lose less in blocks; latency is measured by duets alone, and is as given."""
    made = []
    for name in ("storm", "burst", "hotcpu", "stall", "chain", "rate-default"):
        made += arm(name, "ringbuf@64KiB", dropped, noisy(0.1))
        made += arm(name, "perfbuf@64KiB", dropped, noisy(0.4)[::-1])
    for name in ("storm-duet", "trickle-duet"):
        made += arm(name, "ringbuf@1MiB", p50, tuple(30 * each for each in latency))
        made += arm(name, "perfbuf@1MiB", p50, noisy(30)[::-1])
    for name in ("capacity-spread", "capacity-onecpu"):
        for rung in (16, 32):
            for transport in ("ringbuf", "perfbuf"):
                lost = 0.0 if rung == 32 else 0.05
                made += arm(name, f"{transport}@{rung}KiB", dropped, (lost,) * 8)
    return made


@pytest.mark.parametrize(
    ("latency", "expected"), [(noisy(1.0), REPRODUCED), (noisy(2.0), REFUTED), (torn(1.0), OPEN)]
)
def test_the_default_s_latency_is_that_of_the_duets(latency: Values, expected: Verdict) -> None:
    found = finding("rb-default-choice", evidence(defaults(latency)))
    assert found.verdict is expected, found.reason
    assert all("p50" not in line or "duet" in line for line in found.details)
