# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test conditions of a bisection: what may be written, and what it says of a kernel."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.questions.bisect.condition import Reading, Value, parse
from bench.questions.bisect.search import Verdict


def readings(**values: Value | None) -> tuple[Reading, ...]:
    """Return readings of a kernel; __ stands for @, and _ for -."""
    names = {each: each.replace("__", "@").replace("_", "-") for each in values}
    return tuple(Reading(name=names[each], value=value) for each, value in values.items())


SMALL, LARGE = "reserve_submit__72", "reserve_submit__4168"
GOOD = readings(
    reserve_submit__72=141,
    reserve_submit__4168=141,
    ring_output__72=194,
    dynptr_submit__72="refused",
)


@pytest.mark.parametrize(
    ("test", "values", "verdict"),
    [
        ("reserve-submit:+0", {}, Verdict.GOOD),
        ("reserve-submit:+0", {SMALL: 140}, Verdict.GOOD),
        ("reserve-submit:+0", {LARGE: 142}, Verdict.BAD),
        ("reserve-submit@72:+0", {LARGE: 142}, Verdict.GOOD),
        ("reserve-submit:+1", {LARGE: 142}, Verdict.GOOD),
        ("reserve-submit:141", {}, Verdict.GOOD),
        ("reserve-submit:140", {}, Verdict.BAD),
        ("reserve-submit=141", {SMALL: 140}, Verdict.BAD),
        ("reserve-submit=same", {SMALL: 140}, Verdict.BAD),
        ("reserve-submit=same", {"ring_output__72": 1}, Verdict.GOOD),
        ("reserve-submit:+0", {SMALL: None}, Verdict.UNKNOWN),
        (
            "reserve-submit:+0",
            {SMALL: None, LARGE: 9},
            Verdict.UNKNOWN,
        ),
        (
            "reserve-submit:+0",
            {SMALL: None, LARGE: 999},
            Verdict.BAD,
        ),
        ("reserve-submit:+0", {SMALL: "refused"}, Verdict.UNKNOWN),
        ("reserve-submit=same", {SMALL: "refused"}, Verdict.BAD),
        ("dynptr-submit=refused", {}, Verdict.GOOD),
        ("dynptr-submit=refused", {"dynptr_submit__72": 200}, Verdict.BAD),
        ("dynptr-submit:+0", {"dynptr_submit__72": 200}, Verdict.UNKNOWN),
        ("dynptr-write-submit:+0", {}, Verdict.UNKNOWN),
        ("all:+0", {"dynptr_submit__72": 200}, Verdict.GOOD),
        ("all:+0", {"ring_output__72": 195}, Verdict.BAD),
        ("all=same", {"ring_output__72": 193}, Verdict.BAD),
    ],
)
def test_instructions(test: str, values: dict[str, Value | None], verdict: Verdict) -> None:
    known = {each.name: each for each in (*GOOD, *readings(**values))}
    found = parse(test).judge(tuple(known.values()), GOOD)
    assert found.verdict is verdict, found.why
    assert bool(found.why) is (verdict is not Verdict.GOOD)


TRIALS = (
    Reading(name="ringbuf:causal", value=0),
    Reading(name="perfbuf:causal", value=7),
    Reading(name="ringbuf:drops", value=0),
    Reading(name="perfbuf:drops", value=None, why="no records"),
    Reading(name="missed", value=3),
    Reading(name="rb-order", value="reproduced"),
    Reading(name="rb-faster-default", value=None, why="8 blocks are too few"),
)


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("ringbuf:causal", Verdict.GOOD),
        ("perfbuf:causal", Verdict.BAD),
        ("perfbuf:causal:7", Verdict.GOOD),
        ("causal:6", Verdict.BAD),
        ("causal=same", Verdict.GOOD),
        ("drops", Verdict.UNKNOWN),
        ("ringbuf:drops", Verdict.GOOD),
        ("missed", Verdict.BAD),
        ("missed:3", Verdict.GOOD),
        ("rb-order=reproduced", Verdict.GOOD),
        ("rb-order=refuted", Verdict.BAD),
        ("rb-faster-default=reproduced", Verdict.UNKNOWN),
    ],
)
def test_trials(test: str, verdict: Verdict) -> None:
    found = parse(test)
    assert not found.exact
    assert found.judge(TRIALS, TRIALS).verdict is verdict


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "reserve-submit", "reserve-submit:", "reserve-submit:-1", "reserve-submit=less"),
        *("reserve-submit@:1", "reserve-submit@73:1", "reserve-submit:same", "nothing:1", "drops="),
        *(":drops", "noop:drops", "ringbuf:missed", "rb-order:1", "rb-order=perhaps", "empty:1"),
        *(
            "rb-order=inconclusive",
            "rb-since-5.8=reproduced",
            "no-claim=reproduced",
            "missed=refused",
        ),
        *("reserve-submit > 141", "reserve-submit:+0,ring-output:+0", "x" * 10_000),
    ],
)
def test_what_is_no_test(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 800
