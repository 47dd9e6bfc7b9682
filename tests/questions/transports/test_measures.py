# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Follow measures and checks: keys stay the same, and no number is there that was not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import reference
from made_up_trials import blocks, machine, trial

from bench.judge.statistics import loss_bound
from bench.questions.transports.decision import decision_table, verdict
from bench.questions.transports.document import document
from bench.questions.transports.measures import checks, measures
from bench.questions.transports.summary import compare
from bench.report import document as documents
from bench.report.document import Check, Measure, Passing
from bench.trial.result import State, TrialResult

RING, PERF = "storm/ringbuf@8KiB", "storm/perfbuf@8KiB"
RATIO = "storm/ringbuf@8KiB/perfbuf@8KiB"


def pair(left: dict[str, object], right: dict[str, object], count: int = 8) -> list[TrialResult]:
    return [*blocks("ringbuf@8KiB", [left] * count), *blocks("perfbuf@8KiB", [right] * count)]


def keyed(trials: Sequence[TrialResult]) -> dict[str, Measure]:
    found = measures(compare(trials))
    assert len({each.key for each in found}) == len(found)
    return {each.key: each for each in found}


def test_each_side_has_its_shares_and_its_memory() -> None:
    found = keyed(
        pair(
            {"dropped": 10, "pairs": 100, "physical_bytes": 9_000},
            {"dropped": 20, "pairs": 100, "violations": 5, "physical_bytes": 8_000},
        )
    )
    for key, value, unit in (
        (f"{RING}/own_dropped_share", 0.01, "share"),
        (f"{PERF}/own_dropped_share", 0.02, "share"),
        (f"{RING}/causal_violation_share", 0.0, "share"),
        (f"{PERF}/causal_violation_share", 0.05, "share"),
        (f"{RING}/physical_bytes", 9_000, "bytes"),
        (f"{PERF}/physical_bytes", 8_000, "bytes"),
    ):
        each = found.pop(key)
        assert (each.value, each.unit, each.more_is_better) == (pytest.approx(value), unit, False)
    assert not [key for key in found if not key.startswith(RATIO)]


def test_nothing_seen_of_many_has_the_bound_of_the_count() -> None:
    found = keyed(pair({"pairs": 100}, {"pairs": 100}))
    for key, counted in (("own_dropped_share", 8_000), ("causal_violation_share", 800)):
        each = found[f"{RING}/{key}"]
        assert (each.value, each.low) == (0, 0)
        assert each.high == pytest.approx(loss_bound(0, counted))


def test_an_arm_without_pairs_has_no_share_of_violations() -> None:
    assert not [key for key in keyed(pair({}, {})) if "causal" in key]


def test_times_are_followed_as_ratios_with_their_interval() -> None:
    left = [{"p50_ns": ns, "consumer_cpu_ns": 10**6} for ns in (900, 1_000, 1_100) * 3]
    right = [{"p50_ns": 2_000, "consumer_cpu_ns": 2 * 10**6}] * 9
    found = keyed([*blocks("ringbuf@8KiB", left), *blocks("perfbuf@8KiB", right)])
    latency = found[f"{RATIO}/latency_p50_ns_ratio"]
    assert (latency.value, latency.unit) == (pytest.approx(0.5), "times")
    assert (latency.low, latency.high) == pytest.approx((0.45, 0.55))
    assert latency.name == "storm at 8 KiB, the ring buffer over the perf buffers: latency p50"
    assert found[f"{RATIO}/consumer_cpu_s_per_million_ratio"].value == pytest.approx(0.5)
    assert not latency.more_is_better


def test_more_delivered_a_second_is_better() -> None:
    found = keyed(pair({"dropped": 0}, {"dropped": 500}))
    each = found[f"{RATIO}/own_delivered_per_s_ratio"]
    assert (each.value, each.more_is_better) == (pytest.approx(2.0), True)


def test_an_arm_that_drops_has_no_latency_to_follow() -> None:
    assert f"{RATIO}/latency_p50_ns_ratio" in keyed(pair({}, {}))
    for left, right in (({"dropped": 1}, {}), ({}, {"dropped": 1})):
        assert not [key for key in keyed(pair(left, right)) if "latency" in key or "cpu" in key]


def test_one_block_has_no_interval() -> None:
    each = keyed(pair({}, {}, count=1))[f"{RATIO}/latency_p50_ns_ratio"]
    assert (each.low, each.high) == (None, None)


def test_one_transport_alone_has_nothing_to_follow() -> None:
    assert keyed(blocks("ringbuf@8KiB", [{}] * 8)) == {}


def ladder(transport: str, lossy: dict[str, int]) -> list[TrialResult]:
    return [
        made
        for budget, count in lossy.items()
        for made in blocks(
            f"{transport}@{budget}",
            [{"dropped": int(block < count)} for block in range(20)],
            experiment="ladder",
        )
    ]


def test_a_lossless_budget_lies_above_the_rung_that_lost() -> None:
    found = keyed(
        [
            *ladder("ringbuf", {"8KiB": 20, "16KiB": 3, "32KiB": 0, "64KiB": 0}),
            *ladder("perfbuf", {"8KiB": 0, "16KiB": 0}),
        ]
    )
    ring, perf = (found[f"ladder/{each}/lossless_budget_bytes"] for each in ("ringbuf", "perfbuf"))
    assert (ring.low, ring.value, ring.high) == (16 << 10, 32 << 10, 32 << 10)
    assert (perf.low, perf.value, perf.high) == (None, 8 << 10, 8 << 10)


def named(trials: Sequence[TrialResult]) -> dict[str, Check]:
    return {each.name: each for each in checks(compare(trials))}


def test_a_ladder_without_an_end_has_no_number_but_a_reason() -> None:
    trials = ladder("ringbuf", {"8KiB": 20, "16KiB": 3})
    assert not [key for key in keyed(trials) if "lossless" in key]
    found = named(trials)["least budget without a loss, ladder ringbuf"]
    assert found.outcome is Passing.SKIPPED
    assert found.text == "above 16 KiB, where 3 of 20 storms lost something"


def test_a_ladder_whose_end_ran_too_few_storms_is_not_said_to_have_lost_there() -> None:
    trials = [*ladder("ringbuf", {"8KiB": 20, "16KiB": 0}), *ladder("perfbuf", {"8KiB": 20})]
    trials = [each for each in trials if (each.arm, each.block) != ("ringbuf@16KiB", 19)]
    found = named(trials)["least budget without a loss, ladder ringbuf"]
    few = "at 16 KiB none of 19 storms (ladder) lost anything, but a verdict needs 20"
    assert found.text == f"not known: {few}"
    (line,) = (line for line in verdict(compare(trials)) if line.startswith("Budget"))
    assert line == f"Budget: not known for the ring buffer: {few}."
    both = [*trials, *ladder("perfbuf", {"16KiB": 0})]
    least = decision_table(compare(both)).rows[-1]
    assert [cell.text for cell in least.cells[:2]] == ["-", "16 KiB"]


@pytest.mark.parametrize(
    ("ring", "outcome", "text"),
    [
        ({"pairs": 100}, Passing.PASSED, "0 of 800 causal pairs were delivered parent first"),
        ({"pairs": 100, "violations": 1}, Passing.FAILED, "ringbuf:causal happened 8 times"),
        ({}, Passing.SKIPPED, "ringbuf:causal was not measured"),
    ],
)
def test_order_is_checked_where_it_has_to_hold(
    ring: dict[str, object], outcome: Passing, text: str
) -> None:
    found = named(pair(ring, {"pairs": 100, "violations": 50}))
    assert found["ringbuf:causal"].outcome is outcome
    assert found["ringbuf:causal"].text.startswith(text)
    assert "perfbuf:causal" not in found


def test_a_trial_that_does_not_balance_is_a_failure() -> None:
    good = pair({}, {})
    assert named(good)["trials balance"].outcome is Passing.PASSED
    found = named([*good, trial("ringbuf@8KiB", 9, state=State.INVALID, reasons=("x",))])
    assert found["trials balance"].outcome is Passing.FAILED
    assert found["trials balance"].text == "1 of 17 trials invalid"


def test_keys_of_several_machines_begin_with_the_machine() -> None:
    one, other = (document(compare(pair({}, {}), machine(host))) for host in ("a", "b/c"))
    alone = {each.key for each in documents.measures([one])}
    assert f"{RING}/own_dropped_share" in alone
    both = {each.key for each in documents.measures([one, other])}
    release = machine().kernel_release
    assert both == {f"{host}/{release}/{key}" for host in ("a", "b%2Fc") for key in alone}
    assert f"b/c {release} trials balance" in {each.name for each in documents.checks([one, other])}


def test_copies_of_a_key_are_numbered() -> None:
    one = document(compare(pair({}, {}), machine()))
    found = [each.key for each in documents.measures([one, one, one])]
    assert len({*found}) == len(found) == 3 * len(one.measures)
    assert f"{RING}/3/own_dropped_share" in found
    names = [each.name for each in documents.checks([one, one])]
    assert {"trials balance", "trials balance (2)"} <= {*names}


def test_a_slash_in_a_name_does_not_divide_the_key() -> None:
    trials = [replace(each, experiment="a/b c") for each in pair({}, {})]
    assert "a%2Fb%20c/ringbuf@8KiB/own_dropped_share" in keyed(trials)


@pytest.mark.parametrize("journal", reference.JOURNALS)
def test_measures_are_the_numbers_of_the_report(journal: str) -> None:
    summary = reference.summary(journal)
    found = {(each.number, *(text for _, text in each.labels)): each for each in measures(summary)}
    seen = 0
    for comparison in summary.comparisons:
        sides, where = (comparison.left, comparison.right), comparison.experiment
        for row in comparison.rows:
            for side, value in zip(sides, (row.left, row.right), strict=True):
                each = found.get((row.key, where, side.arm))
                if each is not None and value is not None:
                    assert each.value == pytest.approx(value)
                    seen += 1
            ratio = found.get((f"{row.key}_ratio", where, sides[0].arm, sides[1].arm))
            if ratio is not None and row.estimate is not None:
                low = row.estimate.low if row.estimate.blocks > 1 else None
                assert (ratio.value, ratio.low) == (row.estimate.point, low)
                seen += 1
    assert seen >= len(found) - len(summary.ladders)
