# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge made-up rounds of an object, whose answer is known; its plan, and what is not a stamp."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.errors import UsageError
from bench.judge.comparison import Outcome
from bench.questions.object import plan
from bench.questions.object.document import ObjectData, document
from bench.questions.object.judge import judge
from bench.questions.object.run import Round, _quantile
from bench.report import renderers
from bench.report.document import Document, Note, Sentence
from bench.tracer.object.measured import Looks
from bench.tracer.object.types import Column, Form

SIDES = ("ringbuf", "perfbuf")
LOOKS = Looks(transports=("perfbuf",), other="ringbuf", alone="", uncounted="", budget_bytes=65_536)


def one(side: str, block: int = 0, **changed: Any) -> Round:
    plain = Round(
        block=block,
        side=side,
        seconds=0.5,
        processes=1_000,
        ended=None,
        attempted=1_000,
        failed=0,
        delivered=1_000,
        discarded=0,
        lost_told=None,
        delivered_bytes=32_000,
        misdated=0,
        latency_p50_ns=10_000.0,
        latency_p99_ns=20_000.0,
        latency_max_ns=30_000,
        kernel_ns=2_000_000,
        kernel_runs=1_000,
        consumer_cpu_ns=500_000,
        wakeups_taken=500,
        wakeups_raised=1_000,
        peak_bytes=16_384,
        data_bytes=65_536,
        physical_bytes=77_824,
    )
    return replace(plain, **changed)


def blocks(count: int = 8, **of_perf: Any) -> list[Round]:
    return [
        each
        for block in range(count)
        for each in (one("ringbuf", block), one("perfbuf", block, **of_perf))
    ]


def said(rounds: list[Round], looks: Looks = LOOKS, **load: Any) -> Document:
    under = plan.Load(**{"command": ("make", "-j2"), **load})
    return document("tool", under, looks, rounds, stamp="ns", seed=1)


def notes(found: Document) -> str:
    return "\n".join(each.text for each in found.parts if isinstance(each, Note))


def test_numbers_are_of_what_they_say() -> None:
    rounds = blocks(failed=100, delivered=900, latency_p50_ns=20_000.0, kernel_ns=3_000_000)
    rows = {each.key: each for each in judge(rounds, SIDES)}
    values = {key: (each.values["ringbuf"], each.values["perfbuf"]) for key, each in rows.items()}
    assert values["dropped_share"] == (0.0, 0.1)
    assert values["delivered_per_s"] == (2_000, 1_800)
    assert values["kernel_ns_per_run"] == (2_000, 3_000)
    assert values["consumer_cpu_s_per_million"] == (0.5, pytest.approx(500_000 / 900 / 1e3))
    assert values["wakeups_raised_per_event"] == (1.0, 1.0)
    assert values["occupancy_max_share"] == (0.25, 0.25)
    half = rows["latency_p50_ns"].estimate
    assert half is not None
    assert half.point == pytest.approx(0.5)
    better = {key: each.better for key, each in rows.items()}
    assert better["dropped_share"] == better["latency_p50_ns"] == "ringbuf"
    assert better["delivered_per_s"] == "ringbuf", "there more is better"
    assert better["occupancy_max_share"] == better["attempted"] == ""


def test_few_blocks_decide_nothing() -> None:
    rounds = blocks(3, kernel_ns=9_000_000)
    rows = {each.key: each for each in judge(rounds, SIDES)}
    assert rows["kernel_ns_per_run"].outcome is Outcome.TOO_FEW
    assert "Fewer than 8 blocks decide nothing" in notes(said(rounds))


def test_the_title_says_what_is_lost_and_sentences_who_does_better() -> None:
    found = said(blocks(failed=100, delivered=900, kernel_ns=3_000_000))
    assert found.title == "tool loses 0 % on the ring buffer and 10.0 % on the perf buffers"
    sentences = [str(each) for each in found.parts if isinstance(each, Sentence)]
    assert (
        "Kernel time per run: 2.00 µs on the ring buffer and 3.00 µs on the perf buffers; "
        "the ring buffer does better." in sentences
    )
    assert "under make -j2, 8 times on each side, " in found.subject
    assert said(blocks()).title == "tool loses nothing on either transport"


def test_an_object_alone_says_why_and_has_one_side() -> None:
    why = "it calls bpf_ringbuf_reserve"
    looks = replace(LOOKS, transports=("ringbuf",), other="", alone=why)
    found = said([one("ringbuf", block) for block in range(8)], looks)
    assert found.title == "tool loses nothing on the ring buffer"
    assert f"Measured alone, since it cannot be moved to another transport: {why}." in notes(found)
    assert not [each for each in found.parts if isinstance(each, Sentence)]
    assert ", 8 times, " in found.subject
    assert "ratios" not in notes(found)
    for form in renderers.names():
        assert renderers.find(form)(found, data=None)


def test_runs_in_place_of_calls_give_upper_bounds_and_say_so() -> None:
    looks = replace(LOOKS, other="", alone="x", uncounted="it makes tail calls")
    round_ = one("perfbuf", failed=None, delivered=700, discarded=100)
    assert (round_.lost, round_.residue) == (200, 0)
    found = said([round_], looks)
    assert found.title == "tool loses at most 20.0 % on the perf buffers"
    assert "not counted: it makes tail calls. Attempted are the runs" in notes(found)


def test_runs_that_send_more_than_one_event_leave_losses_unknown() -> None:
    looks = replace(LOOKS, other="", alone="x", uncounted="it makes tail calls")
    round_ = one("perfbuf", failed=None, delivered=1_001)
    assert (round_.lost, round_.residue) == (None, 0)
    found = said([round_, one("perfbuf", 1, failed=None)], looks)
    assert found.title == (
        "tool sends events on the perf buffers of which an unknown share is lost"
    )
    assert "if no run sends more than one event, which some do here." in notes(found)
    assert "more than one event." in notes(said([one("perfbuf", failed=None)], looks))


def test_what_is_wrong_is_noted() -> None:
    bad = {"delivered": 990, "discarded": 3, "misdated": 5, "ended": 2}
    found = said([one("ringbuf", **bad), one("perfbuf")])
    for words in (
        "7 events were neither refused, discarded nor read",
        "reserved and discarded 3 events",
        "ns of 5 in 1,990 events is not a time of CLOCK_MONOTONIC",
        "The command ended with 2 in 1 of 2 rounds",
    ):
        assert words in notes(found)


@pytest.mark.parametrize("form", renderers.names())
def test_every_form_shows_both_sides(form: str) -> None:
    found = said(blocks(failed=100, delivered=900))
    assert isinstance(found.data, ObjectData)
    assert renderers.find(form)(found, data=None)


def test_every_block_has_each_side_once_in_an_order_that_the_seed_gives() -> None:
    found = plan.order(SIDES, 20, 7)
    assert found == plan.order(SIDES, 20, 7) != plan.order(SIDES, 20, 8)
    by_block = [found[place : place + 2] for place in range(0, 40, 2)]
    assert [{each[0] for each in pair} for pair in by_block] == [{block} for block in range(20)]
    firsts = {pair[0][1] for pair in by_block}
    assert firsts == set(SIDES) == {pair[1][1] for pair in by_block}


def test_a_storm_that_is_paced_has_as_many_processes_each_time() -> None:
    paced = plan.load((), rate_per_s=1_000.0, seconds=0.5, workers=2).storm
    free = plan.load((), rate_per_s=0.0, seconds=None, workers=2).storm
    assert paced is not None
    assert free is not None
    assert (paced.count, paced.timed) == (500, False)
    assert (free.seconds, free.timed) == (0.25, True)


def test_a_stamp_is_a_number_of_64_bits() -> None:
    columns = [
        Column(name="pid", form=Form.NUMBER, offset=0, size=4),
        Column(name="at.ns", form=Form.NUMBER, offset=8, size=8),
    ]
    assert plan.stamp_at(columns, None) == -1
    assert plan.stamp_at(columns, "at.ns") == 8
    for name, complaint in (("pid", "no such member of 64 bits"), ("ns", "no such member")):
        with pytest.raises(UsageError, match=rf"{complaint}; choose from at\.ns") as refused:
            plan.stamp_at(columns, name)
        assert "\n" not in str(refused.value)


def test_quantiles_of_ages_are_within_a_bin() -> None:
    import numpy as np

    ages = np.zeros(57 << 8, np.uint64)
    ages[5] = 98
    ages[(3 << 8) + 300] = 2  # 300 << 3 ns and up
    assert (_quantile(ages, 0.5), _quantile(ages, 0.99)) == (5.0, 2_400.0)
    assert _quantile(ages * 0, 0.5) is None
