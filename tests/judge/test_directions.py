# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test when comparisons as a whole support a side, and what the first screen makes of that."""

from __future__ import annotations

from dataclasses import replace

import pytest
import reference
from made_up_trials import blocks

from bench.judge.comparison import Comparison
from bench.plan.config import Consumer, Poll
from bench.questions.transports.decision import WORDS, _answer, decision_table, headline, sentences
from bench.questions.transports.standing import Question, Standing
from bench.questions.transports.summary import Summary, compare
from bench.report.document import Cell, Level, Mark
from bench.trial.result import TrialResult

BUSY, EPOLL, TIMED = Poll.BUSY, Poll.EPOLL, Poll.TIMED


def one(poll: Poll | None) -> Comparison:
    (made,) = compare(
        blocks("ringbuf@8KiB", [{}] * 8) + blocks("perfbuf@8KiB", [{}] * 8)
    ).comparisons
    return replace(made, poll=poll)


def standing(
    left: dict[Poll, int],
    right: dict[Poll, int],
    undecided: dict[Poll, int],
    *,
    equal: int = 0,
    too_few: int = 0,
) -> Standing:
    def many(counts: dict[Poll, int]) -> tuple[Comparison, ...]:
        return tuple(one(poll) for poll, count in counts.items() for _ in range(count))

    return Standing(
        question=Question.LATENCY,
        left="ringbuf",
        right="perfbuf",
        for_left=many(left),
        for_right=many(right),
        equal=many({EPOLL: equal}),
        equivalent=(),
        open=many(undecided),
        too_few=many({EPOLL: too_few}),
    )


def said(found: Standing) -> list[tuple[str, tuple[Poll, ...], int]]:
    return [(each.winner, each.polls, len(each.decided)) for each in found.directions]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (standing({}, {}, {EPOLL: 3}), []),
        (standing({EPOLL: 1}, {}, {}), [("ringbuf", (), 1)]),
        (standing({EPOLL: 4}, {}, {EPOLL: 4}), [("ringbuf", (), 4)]),
        (standing({EPOLL: 4}, {}, {EPOLL: 5}), []),  # less than half
        (standing({EPOLL: 4}, {}, {EPOLL: 4}, too_few=1), []),
        (standing({EPOLL: 4}, {}, {EPOLL: 4}, equal=9), [("ringbuf", (), 4)]),
        (standing({EPOLL: 9}, {EPOLL: 1}, {}), []),  # one against
        (standing({}, {EPOLL: 2}, {EPOLL: 2}), [("perfbuf", (), 2)]),
        (standing({BUSY: 4}, {}, {BUSY: 1, EPOLL: 19}), [("ringbuf", (BUSY,), 4)]),
        (standing({BUSY: 1}, {}, {BUSY: 2, EPOLL: 19}), []),
        (standing({BUSY: 4}, {BUSY: 1}, {EPOLL: 9}), []),
        (
            standing({BUSY: 2}, {EPOLL: 2}, {TIMED: 9}),
            [("ringbuf", (BUSY,), 2), ("perfbuf", (EPOLL,), 2)],
        ),
        (standing({BUSY: 1, TIMED: 1}, {}, {EPOLL: 9}), [("ringbuf", (BUSY, TIMED), 2)]),
    ],
)
def test_what_is_carried(
    found: Standing, expected: list[tuple[str, tuple[Poll, ...], int]]
) -> None:
    assert said(found) == expected


def waiting(poll: Poll, ring_ns: int, perf_ns: tuple[int, ...]) -> list[TrialResult]:
    """Return two experiments with that way of waiting."""
    return [
        replace(each, config=replace(each.config, consumer=Consumer(poll=poll)))
        for name in ("storm", "chain")
        for each in blocks("ringbuf@8KiB", [{"p50_ns": ring_ns}] * 8, experiment=f"{name}-{poll}")
        + blocks("perfbuf@8KiB", [{"p50_ns": n} for n in perf_ns], experiment=f"{name}-{poll}")
    ]


def rows(summary: Summary, label: str) -> list[tuple[Cell, ...]]:
    """Return the rows of the first table with this label."""
    return [
        row.cells
        for row in decision_table(summary).rows
        if row.heading.text.startswith(f"{label}, ")
    ]


NOISE = (5_000, 20_000) * 4


def test_a_direction_is_in_the_headline_with_its_condition() -> None:
    """Decide two of six comparisons, both busy polling; the row that is shown is one of them."""
    made = waiting(EPOLL, 10_000, NOISE) + waiting(BUSY, 300, (1_000,) * 8)
    summary = compare(made + waiting(TIMED, 10_000, NOISE))
    assert headline(summary) == "Use the ring buffer: sooner delivery when busy polling."
    (shown,) = rows(summary, "latency")
    assert shown[3].text == "ringbuf"


def test_no_direction_is_shown_where_none_is_carried() -> None:
    made = waiting(EPOLL, 10_000, NOISE) + waiting(TIMED, 10_000, NOISE)
    text = headline(compare(made))
    assert text.startswith("No side is better: ")
    assert "latency undecided" in text


def test_what_is_read_only_after_the_storm_says_nothing_of_latency() -> None:
    summary = compare(waiting(Poll.STOPPED, 300, (1_000,) * 8))
    assert next(e for e in summary.standings if e.question is Question.LATENCY).considered == 0


def checked(summary: Summary) -> int:
    """Return rows of the first table that the headline rests on, each decided for that side."""
    labels = {
        Question.DROPS: "drops",
        Question.ORDER: "order",
        Question.MEMORY: "memory",
        Question.LATENCY: "latency",
        Question.CPU: "CPU",
        Question.WRITE: "write time",
    }
    first = summary.comparisons[0]
    seen = 0
    for each in summary.standings:
        if (each.left, each.right) != (first.left.transport, first.right.transport):
            continue
        found = rows(summary, labels[each.question])
        for row in found if each.directions else ():
            winners = {direction.winner for direction in each.directions}
            assert row[3].mark is Mark.GOOD
            assert row[3].text in winners
            seen += 1
        for direction in each.directions:
            lost = each.for_right if direction.winner == each.left else each.for_left
            assert not [one for one in lost if not direction.polls or one.poll in direction.polls]
            for decided in direction.decided:
                row_of = decided.row(each.question.key)
                assert row_of is not None
                assert row_of.better == (-1 if direction.winner == each.left else 1)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("journal", [each for each in reference.JOURNALS if "size" not in each])
def test_the_rows_of_the_reference_support_its_headline(journal: str) -> None:
    assert checked(reference.summary(journal)) >= 2


@pytest.mark.slow
def test_the_headline_of_the_reference() -> None:
    text = headline(reference.summary(reference.OLD))
    assert text == (
        "Use the ring buffer: fewer drops, better order and sooner delivery when busy polling. "
        "Not for memory: +6 % at 64 KiB."
    )


def test_nothing_but_no_difference_is_not_undecided() -> None:
    answer = _answer(standing({}, {}, {}, equal=3, too_few=2), WORDS)
    assert answer == "no difference in 3 of 5 comparisons, fewer than 8 blocks in the others"


def test_a_duet_is_no_comparison_of_drops() -> None:
    answer = _answer(replace(standing({}, {}, {}), question=Question.DROPS), WORDS)
    assert answer == "not measured; there is no comparison outside duets"


def decided(summary: Summary) -> list[str]:
    return [str(each) for each in sentences(summary) if each.level is Level.DECISION]


def test_headline_and_answers_are_of_one_pair_whichever_ran_first() -> None:
    sharded, perf, ring = (
        blocks(f"{transport}@8KiB", [{"dropped": dropped}] * 8)
        for transport, dropped in (("sharded", 500), ("perfbuf", 100), ("ringbuf", 0))
    )
    three = compare(sharded + perf + ring)
    assert headline(three).startswith("Use the ring buffer: fewer drops")
    assert decision_table(three).columns[0].heading == "ringbuf"
    assert any(each.startswith("Drops: the ring buffer drops fewer") for each in decided(three))
    two = compare(sharded + perf)
    assert headline(two).startswith("Use the perf buffers: fewer drops")
    assert any(each.startswith("Drops: the perf buffers drop fewer") for each in decided(two))
