# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge a made-up fleet with known effects and one type of machine unlike the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from made_up_trials import blocks, machine

from bench.judge.statistics import Scale
from bench.questions.claims.claim import Verdict
from bench.questions.fleet.document import document
from bench.questions.fleet.judge import ClaimOver, Fleet, Number, judge, measured
from bench.questions.transports.standing import Question
from bench.questions.transports.summary import Summary, compare
from bench.report.document import Forest, Heading, Sentence, Table

RATIO = 0.8


SCATTER = 0.03


def one(random: np.random.Generator, name: str, ratio: float, **facts: str) -> Summary:
    """Return a machine on which the ring's median latency is so many times the perf buffers'."""
    own = ratio * float(np.exp(random.normal(0, SCATTER)))
    base = random.integers(5_000, 50_000)
    noise = np.exp(random.normal(0, 0.02, (2, 8)))
    trials = [
        each
        for arm, factor, of in (("ringbuf@64KiB", own, noise[0]), ("perfbuf@64KiB", 1.0, noise[1]))
        for each in blocks(arm, [{"p50_ns": int(base * factor * value)} for value in of])
    ]
    return compare(trials, replace(machine(name), **facts))


def fleet(ratios: Sequence[tuple[float, str]], seed: int = 1) -> Fleet:
    random = np.random.default_rng(seed)
    return judge(
        [
            measured(one(random, f"m{at}", ratio, preemption=preemption))
            for at, (ratio, preemption) in enumerate(ratios)
        ]
    )


def number(found: Fleet) -> Number:
    (of_latency,) = [each for each in found.numbers if each.question is Question.LATENCY]
    return of_latency


def latency(found: Fleet) -> dict[str, object]:
    return {name: getattr(number(found), name) for name in Number.__slots__}


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


@pytest.mark.slow
def test_two_hundred_machines_one_type_of_which_is_unlike_the_others() -> None:
    """Other facts are drawn: they have nothing to do with any difference."""
    random = np.random.default_rng(5)
    machines = [
        one(
            random,
            f"m{at}",
            {77: 3.0}.get(at, 1.4 if at % 16 == 0 else RATIO),
            cpu_model="odd" if at % 16 == 0 else "usual",
            preemption=str(random.choice(["none", "full", "lazy"])),
            clock_source=str(random.choice(["tsc", "hpet"])),
            kernel_release=str(random.choice(["5.10.1", "6.1.2", "6.12.3", "7.3.0"])),
        )
        for at in range(200)
    ]
    found = number(judge([*map(measured, machines)]))
    assert len(found.machines) == 200
    assert {each.fact for each in found.splits} == {"CPU"}
    (odd,) = [each for each in found.splits if each.value == "odd"]
    assert (odd.machines, odd.others) == (13, 187)
    assert odd.point == pytest.approx(1.4, rel=0.03)
    assert odd.others_point == pytest.approx(RATIO, rel=0.03)
    kernel = machines[77].machine
    assert kernel is not None
    assert found.apart[0] == f"m77 {kernel.kernel_release}"
    usual = {f"m{at}" for at in range(200) if at % 16 and at != 77}
    assert not usual & {name.partition(" ")[0] for name in found.apart}


@pytest.mark.slow
def test_intervals_cover_at_their_level_from_trials_on() -> None:
    """Cover the mean's effect in fleets of ten machines, and the next machine's, which is known."""
    fleets, covered, inside = 60, 0, 0
    for seed in range(fleets):
        found = number(fleet([(RATIO, "none")] * 10, seed))
        assert found.next_low is not None
        assert found.next_high is not None
        covered += found.low <= RATIO <= found.high
        following = RATIO * np.exp(np.random.default_rng([seed, 1]).normal(0, SCATTER))
        inside += bool(found.next_low <= following <= found.next_high)
    least = fleets * 0.95 - 3 * np.sqrt(fleets * 0.95 * 0.05)
    assert min(covered, inside) >= least
    assert min(covered, inside) < fleets  # not by being infinitely wide


def test_a_machine_that_was_measured_again_by_another_version_counts_once() -> None:
    random = np.random.default_rng(4)
    first = one(random, "a", RATIO)
    again = one(random, "a", RATIO, harness_version="9.9", memory_bytes=1 << 30)
    other = one(random, "b", RATIO)
    found = judge([*map(measured, (first, again, other))])
    assert [each.name for each in found.members] == ["a 6.1.0-made-up", "b 6.1.0-made-up"]
    (of_a, _) = number(found).machines
    assert of_a == number(judge([measured(again), measured(other)])).machines[0]


@pytest.mark.parametrize("fact", ["preemption", "identity"])
def test_one_name_for_two_machines_gets_a_number(fact: str) -> None:
    random = np.random.default_rng(3)
    both = [one(random, "same", RATIO, **{fact: each}) for each in ("none", "full")]
    found = judge([*map(measured, both)])
    assert [each.name for each in found.members] == ["same 6.1.0-made-up", "same 6.1.0-made-up #2"]


def test_the_document_says_it_in_sentences() -> None:
    said = document(fleet([*[(RATIO, "none")] * 12, *[(1.4, "full")] * 6]))
    assert said.data.format == 2
    leads = [part.lead for part in said.parts if isinstance(part, Sentence)]
    assert "Median latency" in leads
    assert leads.count("Median latency goes with preemption") == 1  # of full; none is the rest
    rest = "equal, undecided, mixed or partly measured: drops, memory"
    assert said.title == f"On all 18 machines no arm is better; {rest}, latency and CPU"
    agreed = document(fleet([(RATIO, "none")] * 3))
    assert agreed.title == f"On all 3 machines ringbuf@64KiB has sooner delivery; {rest} and CPU"
    machines = [one(np.random.default_rng(1), f"m{at}", RATIO) for at in range(3)]
    other = compare(blocks("ringbuf@64KiB", [{}] * 8), machine("other"))
    partly = document(judge([*map(measured, (*machines, other))]))
    assert partly.title == f"On all 4 machines no arm is better; {rest}, latency and CPU"
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


@pytest.mark.parametrize(
    ("machines", "shapes"),
    [(12, {"matrix": (14, 12)}), (13, {"matrix-0": (13, 12), "matrix-12": (13, 2)})],
)
def test_every_verdict_of_every_machine_is_in_a_matrix(
    machines: int, shapes: dict[str, tuple[int, int]]
) -> None:
    found = fleet([(RATIO, "none")] * machines)
    verdicts = {each.name: Verdict.REPRODUCED for each in found.members}
    claims = tuple(
        ClaimOver(id=f"claim-{at}", statement="", verdicts=verdicts, refuted_have=())
        for at in range(14)
    )
    tables = {
        part.key: part
        for part in document(replace(found, claims=claims)).parts
        if isinstance(part, Table) and part.key.startswith("matrix")
    }
    assert {key: (len(each.rows), len(each.columns)) for key, each in tables.items()} == shapes
    made = document(replace(found, claims=claims))
    assert [part.key for part in made.parts if isinstance(part, Heading)] == ["claims", "matrix"]
    cells = [cell for each in tables.values() for row in each.rows for cell in row.cells]
    assert len(cells) == 14 * machines
    assert {cell.text for cell in cells} == {"✓ reproduced"}
