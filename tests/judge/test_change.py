# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What is called a change between two sets of journals, and what is not."""

from __future__ import annotations

from made_up_trials import blocks, machine

from bench.judge.change import changes
from bench.judge.summary import Summary, compare


def measured(*, dropped: int = 20, p50_ns: int = 10_000, drift: float = 1.0) -> Summary:
    wobble = (0.97, 1.0, 1.02, 0.99, 1.03, 0.98, 1.01, 1.0)
    ours = [
        {"dropped": dropped + at % 3, "p50_ns": round(drift * p50_ns * by)}
        for at, by in enumerate(wobble)
    ]
    theirs = [{"dropped": 50, "p50_ns": round(drift * 20_000)} for _ in wobble]
    trials = [*blocks("ringbuf@64KiB", ours), *blocks("perfbuf@64KiB", theirs)]
    return compare(trials, machine())


def test_the_same_twice_is_no_change() -> None:
    found = changes([measured()], [measured()])
    assert found.changes == ()
    assert found.compared > 5


def test_a_machine_that_became_slower_is_no_change() -> None:
    assert changes([measured()], [measured(drift=1.4)]).changes == ()


def test_a_transport_that_became_slower_is_a_regression_and_the_other_way_none() -> None:
    worse = changes([measured()], [measured(p50_ns=16_000)])
    assert "latency_p50_ns" in {change.key for change in worse.regressions}
    better = changes([measured(p50_ns=16_000)], [measured()])
    assert "latency_p50_ns" in {change.key for change in better.changes}
    assert better.regressions == ()


def test_more_drops_are_a_regression() -> None:
    found = changes([measured()], [measured(dropped=200)])
    assert {"dropped", "delivered_per_s"} <= {change.key for change in found.regressions}


def test_what_only_one_set_has_is_named() -> None:
    other = compare([*blocks("ringbuf@8KiB", [{}] * 8), *blocks("perfbuf@8KiB", [{}] * 8)])
    found = changes([measured()], [other])
    assert found.compared == 0
    assert found.only_before == ("storm at 64KiB, ringbuf against perfbuf",)
    assert found.only_after == ("storm at 8KiB, ringbuf against perfbuf",)


def test_few_blocks_make_no_change() -> None:
    few = compare(
        [*blocks("ringbuf@64KiB", [{"dropped": 500}] * 7), *blocks("perfbuf@64KiB", [{}] * 7)]
    )
    found = changes([measured()], [few])
    assert found.changes == ()
    assert found.too_few > 0
