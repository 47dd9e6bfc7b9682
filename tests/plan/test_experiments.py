# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.plan.arms import ArmSpec, compose
from bench.plan.budgets import KIB
from bench.plan.config import MIXED, Producer, TrialConfig
from bench.plan.experiments import ArmName, Experiment, comparisons, twins
from bench.tracer.transports import find

LABELS = st.sampled_from(["8KiB", "64KiB", "1MiB"])


def composed(cpus: int = 2, payload_bytes: int = 0) -> Experiment:
    return compose(
        name="storm",
        title="Which?",
        config=TrialConfig(transport="none", budget_bytes=0),
        sides=[
            ArmSpec(transport=find(each), producer=Producer(payload_bytes=payload_bytes))
            for each in ("ringbuf", "perfbuf")
        ],
        budgets_bytes=(8 * KIB, 64 * KIB),
        blocks=8,
        cpus=cpus,
        baselines=True,
        twins_at=64 * KIB,
    )


@given(
    st.builds(
        ArmName,
        transport=st.sampled_from(["ringbuf", "perfbuf", "ringbuf-output"]),
        budget=LABELS,
        actual=st.one_of(st.just(""), LABELS),
        variant=st.sampled_from(["", "forced", "output-256", "20ms"]),
        copy=st.integers(1, 9),
    )
)
def test_names_are_read_back(name: ArmName) -> None:
    assert vars(ArmName.parse(str(name))) == vars(name)


@pytest.mark.parametrize("text", ["", "@", "a@b(c", "ringbuf@64KiB#x", "x#1#2"])
def test_a_foreign_name_is_a_transport_without_a_budget(text: str) -> None:
    assert vars(ArmName.parse(text)) == vars(ArmName(text))


def test_arms_at_two_cpus() -> None:
    assert [arm.name for arm in composed().arms] == [
        "none",
        "noop",
        "ringbuf@8KiB",
        "perfbuf@8KiB",
        "ringbuf@64KiB",
        "ringbuf@64KiB#2",
        "perfbuf@64KiB",
        "perfbuf@64KiB#2",
    ]


def test_where_the_share_is_no_power_of_two_both_neighbours_run() -> None:
    arms = {arm.name: arm.config.budget_bytes for arm in composed(cpus=3).arms}
    assert arms["perfbuf@64KiB(48KiB)"] == 48 * KIB
    assert arms["perfbuf@64KiB(96KiB)"] == 96 * KIB
    assert arms["ringbuf@64KiB"] == 64 * KIB
    found = {(pair.left, pair.right) for pair in comparisons(arms)}
    assert ("ringbuf@64KiB", "perfbuf@64KiB(96KiB)") in found


def test_a_copy_has_the_same_configuration() -> None:
    arms = {arm.name: arm.config for arm in composed().arms}
    assert arms["ringbuf@64KiB#2"] == arms["ringbuf@64KiB"]


def test_baselines_have_no_buffer() -> None:
    none, noop = composed().arms[:2]
    assert (none.config.transport, noop.config.transport) == ("none", "noop")
    assert none.config.budget_bytes == noop.config.budget_bytes == 0


def test_what_cannot_be_measured_is_left_out_by_name() -> None:
    experiment = composed(payload_bytes=MIXED)
    names = [arm.name for arm in experiment.arms]
    assert "perfbuf@8KiB" not in names
    assert "ringbuf@8KiB" in names
    assert any("perfbuf@8KiB: not applicable" in words for words in experiment.omitted)


def test_only_equal_budgets_are_compared_and_copies_never() -> None:
    names = [arm.name for arm in composed().arms]
    assert [(pair.left, pair.right) for pair in comparisons(names)] == [
        ("ringbuf@8KiB", "perfbuf@8KiB"),
        ("ringbuf@64KiB", "perfbuf@64KiB"),
    ]
    assert [(pair.left, pair.right) for pair in twins(names)] == [
        ("ringbuf@64KiB", "ringbuf@64KiB#2"),
        ("perfbuf@64KiB", "perfbuf@64KiB#2"),
    ]


def test_another_transport_is_compared_with_the_perf_buffers_too() -> None:
    names = [*map(ArmName.parse, ("sharded@8KiB", "ringbuf@8KiB", "perfbuf@8KiB"))]
    assert [pair.left for pair in comparisons(names)] == ["sharded@8KiB", "ringbuf@8KiB"]


def test_a_copy_alone_has_no_twin() -> None:
    assert twins(map(ArmName.parse, ("ringbuf@64KiB#2", "perfbuf@64KiB"))) == ()


def test_every_block_has_every_arm_once_in_an_order_that_comes_again() -> None:
    experiment = composed()
    orders = [experiment.order(block, 7) for block in range(20)]
    assert all(Counter(order) == Counter(experiment.arms) for order in orders)
    assert orders == [experiment.order(block, 7) for block in range(20)]
    assert len(set(orders)) > 15
    assert orders != [experiment.order(block, 8) for block in range(20)]


def test_each_arm_comes_first_about_as_often() -> None:
    experiment = composed()
    firsts = Counter(experiment.order(block, 1)[0].name for block in range(800))
    assert set(firsts) == {arm.name for arm in experiment.arms}
    assert max(firsts.values()) < 150  # expected: 100 of 800, standard deviation 9.4
