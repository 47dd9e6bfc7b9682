# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the title of a duet is its answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import quotes
import reference

from bench.judge.comparison import Outcome
from bench.questions.duet.document import DuetData, _answer, _parts
from bench.report.document import Note, Sentence


@pytest.fixture(scope="module")
def data() -> DuetData:
    return quotes._designs(reference.FOLDER / "duets/trickle-idle.jsonl.gz")[0]


@pytest.mark.parametrize(
    ("latency", "write", "answer"),
    [
        (Outcome.LESS, Outcome.LESS, "A delivers sooner and writes faster than B"),
        (Outcome.MORE, Outcome.MORE, "B delivers sooner and writes faster than A"),
        (Outcome.LESS, Outcome.MORE, "A delivers sooner than B, B writes faster than A"),
        (
            Outcome.UNDECIDED,
            Outcome.LESS,
            "A writes faster than B (median latency undecided)",
        ),
        (
            Outcome.EQUIVALENT,
            Outcome.UNDECIDED,
            "A against B: median latency equivalent, time of a write in the kernel undecided",
        ),
    ],
)
def test_it_names_the_better_arm(
    data: DuetData, latency: Outcome, write: Outcome, answer: str
) -> None:
    verdicts = {"latency_p50_ns": latency, "write_ns": write}
    numbers = tuple(
        replace(each, verdict=verdicts.get(each.key, each.verdict)) for each in data.numbers
    )
    assert _answer(replace(data, first="A", second="B", numbers=numbers)) == answer


def test_without_numbers_it_says_so(data: DuetData) -> None:
    found = replace(data, first="A", second="B", numbers=())
    assert _answer(found) == "A against B: nothing could be compared"


def test_abbreviations_keep_their_capitals(data: DuetData) -> None:
    cpu = replace(data.numbers[0], key="consumer_cpu_s_per_million")
    leads = [e.lead for e in _parts(replace(data, numbers=(cpu,))) if isinstance(e, Sentence)]
    assert leads == ["Consumer's CPU time for a record"]


@pytest.mark.parametrize(("p", "words"), [(0.048, "p = 0.048 "), (0.0, "p < 1e-300 ")])
def test_no_p_is_said_to_be_0(data: DuetData, p: float, words: str) -> None:
    shared = replace(data, later_share=0.4, p=p)
    assert any(words in each.text for each in _parts(shared) if isinstance(each, Note))
