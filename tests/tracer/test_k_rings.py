# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test K rings for N CPUs: the name, the budget, the slots and the reports."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from made_up_trials import blocks
from rendered import text_and_page

from bench.campaign import gates
from bench.errors import UsageError
from bench.linux import cpus
from bench.linux.pages import PAGE_BYTES
from bench.plan import arms
from bench.plan.config import Call, TrialConfig
from bench.plan.experiments import ArmName, transport_arms
from bench.plan.traits import GREY
from bench.tracer.transport import BufferRequest
from bench.tracer.transports import find, known, ranked, traits
from bench.tracer.transports.ringbuf import Ringbuf

MIB = 1 << 20


def slots(
    name: str, online: range, usable: tuple[int, ...] = (), budget_bytes: int = MIB
) -> Mapping[tuple[int, ...], int]:
    way = find(name)
    assert isinstance(way, Ringbuf)
    config = TrialConfig(transport=name, budget_bytes=budget_bytes)
    return way.slots(BufferRequest(config=config, cpus=tuple(online), sharing=usable))


@pytest.fixture(autouse=True)
def without_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "nodes", tuple)


def test_every_cpu_s_slot_holds_a_ring_and_the_budget_is_shared() -> None:
    eight = range(8)
    assert slots("sharded:rings=1", eight) == {tuple(eight): MIB}
    assert slots("sharded:rings=2", eight) == {(0, 1, 2, 3): MIB // 2, (4, 5, 6, 7): MIB // 2}
    assert slots("sharded:rings=8", eight) == slots("sharded", eight)
    assert slots("sharded:rings=64", eight) == slots("sharded", eight)
    sixteen = slots("sharded:rings=16", range(64))
    assert set(sixteen.values()) == {MIB // 16}
    assert [len(ring) for ring in sixteen] == [4] * 16


def test_nodes_have_rings_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "nodes", lambda: ((0, 2, 4, 6), (1, 3, 5, 7)))
    assert list(slots("sharded:rings=2", range(8))) == [(0, 2, 4, 6), (1, 3, 5, 7)]


def test_cpus_that_the_storm_may_not_use_join_its_rings() -> None:
    found = slots("sharded:rings=2", range(8), (4, 5))
    assert found == {(4, 0, 2, 6): MIB // 2, (5, 1, 3, 7): MIB // 2}


def test_a_budget_that_does_not_divide_is_refused_and_planned_as_the_nearest() -> None:
    with pytest.raises(UsageError, match="over 3 rings"):
        slots("sharded:rings=3", range(8))
    config = TrialConfig(transport="none", budget_bytes=0)
    made, _ = transport_arms(find("sharded:rings=3"), config, MIB, cpus=8)
    assert [arm.name for arm in made] == [
        "sharded:rings=3@1MiB(768KiB)", "sharded:rings=3@1MiB(1536KiB)",
    ]  # fmt: skip
    for arm in made:
        found = slots("sharded:rings=3", range(8), budget_bytes=arm.config.budget_bytes)
        assert sum(found.values()) == arm.config.budget_bytes
    name = ArmName.parse(made[0].name)
    assert (name.transport, name.budget, name.actual) == ("sharded:rings=3", "1MiB", "768KiB")
    (one,), _ = transport_arms(find("sharded:rings=1"), config, PAGE_BYTES, cpus=8)
    assert (one.name, one.config.budget_bytes) == ("sharded:rings=1@4KiB", PAGE_BYTES)


@pytest.mark.parametrize(
    "name",
    [
        *("sharded:", "sharded:rings", "sharded:rings=", "sharded:rings=0", "sharded:rings=8193"),
        *("sharded:rings=02", "sharded:rings=-1", "sharded:rings=٣", "sharded:rings=2:rings=2"),
        *("ringbuf:rings=2", "perfbuf:rings=2", "sharded:cpus=2"),
    ],
)
def test_other_names_are_refused(name: str) -> None:
    assert not known(name)
    with pytest.raises(UsageError):
        find(name)
    assert traits(name).look == GREY


def test_a_duet_and_a_gate_name_them() -> None:
    side = arms.side("sharded:rings=2:output:wakeup=5", find)
    assert (side.transport.name, side.variant) == ("sharded:rings=2", "output,wakeup=5")
    assert side.producer.call is Call.OUTPUT
    counts = arms.side("aggregate:keys=8:records=3", find)
    assert (counts.transport.name, counts.variant) == ("aggregate:keys=8", "records=3")
    with pytest.raises(UsageError, match="no arm has 'rings=2'"):
        arms.side("ringbuf:rings=2", find)
    (gate,) = gates.parse("sharded:rings=2:drops")
    assert (gate.transport, gate.what) == ("sharded:rings=2", "drops")
    with pytest.raises(UsageError):
        gates.parse("sharded:rings=0:drops")


def test_they_are_ranked_and_reported() -> None:
    assert ranked(["sharded:rings=4", "perfbuf", "sharded:rings=2", "sharded", "ringbuf"]) == (
        "ringbuf", "perfbuf", "sharded", "sharded:rings=2", "sharded:rings=4",
    )  # fmt: skip
    trials = [
        *blocks("sharded:rings=2@64KiB", [{"dropped": 3}] * 8),
        *blocks("perfbuf@64KiB", [{"dropped": 90}] * 8),
    ]
    report, page = text_and_page(*trials)
    for text in (report, page):
        assert "2 rings for all CPUs dropped less than the perf buffers" in text
    assert page.count(traits("sharded:rings=2").look.colour) > 5
