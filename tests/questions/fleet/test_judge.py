# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A made-up fleet with known effects and a type of machine that is unlike the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from made_up_trials import blocks, machine

from bench.judge.statistics import Scale
from bench.questions.claims.claim import Verdict
from bench.questions.fleet.document import document
from bench.questions.fleet.judge import ClaimOver, Fleet, judge, measured
from bench.questions.transports.standing import Question
from bench.questions.transports.summary import Summary, compare
from bench.report.document import Forest, Sentence, Table

RATIO = 0.8


def one(random: np.random.Generator, name: str, ratio: float, preemption: str) -> Summary:
    """A machine on which the ring's median latency is so many times the perf buffers'."""
    own = ratio * float(np.exp(random.normal(0, 0.03)))
    base = random.integers(5_000, 50_000)
    noise = np.exp(random.normal(0, 0.02, (2, 8)))
    trials = [
        each
        for arm, factor, of in (("ringbuf@64KiB", own, noise[0]), ("perfbuf@64KiB", 1.0, noise[1]))
        for each in blocks(arm, [{"p50_ns": int(base * factor * value)} for value in of])
    ]
    return compare(trials, replace(machine(name), preemption=preemption))


def fleet(ratios: Sequence[tuple[float, str]], seed: int = 1) -> Fleet:
    random = np.random.default_rng(seed)
    return judge([measured(one(random, f"m{at}", *each)) for at, each in enumerate(ratios)])


def latency(found: Fleet) -> dict[str, object]:
    (number,) = [each for each in found.numbers if each.question is Question.LATENCY]
    return {name: getattr(number, name) for name in type(number).__slots__}


def test_what_all_machines_say_together() -> None:
    found = latency(fleet([(RATIO, "none")] * 12))
    assert found["scale"] is Scale.RATIO
    assert found["low"] < RATIO < found["high"]
    assert found["high"] / found["low"] < 1.1
    assert found["next_low"] < found["low"] < found["high"] < found["next_high"]
    assert len(found["machines"]) == 12
    assert found["apart"] == ()
    assert found["splits"] == ()


def test_a_machine_unlike_the_others_is_named() -> None:
    found = latency(fleet([*[(RATIO, "none")] * 20, (2.0, "none")]))
    assert found["apart"] == ("m20 6.1.0-made-up",)


def test_the_fact_that_machines_of_another_kind_share_is_named() -> None:
    found = latency(fleet([*[(RATIO, "none")] * 12, *[(1.4, "full")] * 6]))
    assert {(each.fact, each.value) for each in found["splits"]} == {
        ("preemption", "full"),
        ("preemption", "none"),
    }
    (full,) = [each for each in found["splits"] if each.value == "full"]
    assert (full.machines, full.others) == (6, 12)
    assert full.point == pytest.approx(1.4, rel=0.05)
    assert full.others_point == pytest.approx(RATIO, rel=0.05)


def test_one_name_for_two_machines_gets_a_number() -> None:
    random = np.random.default_rng(3)
    both = [one(random, "same", RATIO, each) for each in ("none", "full")]
    found = judge([*map(measured, both)])
    assert [each.name for each in found.members] == ["same 6.1.0-made-up", "same 6.1.0-made-up #2"]


def test_the_document_says_it_in_sentences() -> None:
    said = document(fleet([*[(RATIO, "none")] * 12, *[(1.4, "full")] * 6]))
    assert said.data.format == 2
    leads = {part.lead for part in said.parts if isinstance(part, Sentence)}
    assert {"Median latency", "Median latency goes with preemption"} <= leads
    assert "18 machines" in said.title
    kinds = [type(part) for part in said.parts]
    assert kinds.index(Forest) < kinds.index(Table)  # as on the page of one machine


def test_claims_are_counted_by_machine() -> None:
    claim = ClaimOver(
        id="rb-order",
        statement="",
        verdicts={"a": Verdict.REPRODUCED, "b": Verdict.REFUTED, "c": Verdict.REPRODUCED},
        refuted_have=(),
    )
    assert claim.counted(Verdict.REPRODUCED) == 2
    said = document(replace(fleet([(RATIO, "none")] * 3), claims=(claim,)))
    (sentence,) = [
        part for part in said.parts if isinstance(part, Sentence) and part.lead == "Claims"
    ]
    assert (
        sentence.text
        == "0 of 1 reproduced wherever they were judged; refuted on some machines only: rb-order."
    )
