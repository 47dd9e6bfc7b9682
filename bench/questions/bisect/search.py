# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Search a row for the first bad element, judging as few as possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Classify an element."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "cannot be judged"


Judge = Callable[[int], Verdict]


@dataclass(frozen=True, slots=True)
class Border:
    """Mark where good ends and bad begins; elements in between cannot be judged."""

    last_good: int
    first_bad: int


def search(count: int, judge: Judge, confirm: Judge) -> Border | None:
    """Find the border in a row of ``count``.

    Both ends are judged first: None unless the first is good and the last is bad. Then the middle
    one of the unjudged ones between the last good and the first bad one is judged, so that n of
    them take log2(n + 1) judgements, rounded up, and one more for each that cannot be judged. Both
    sides of the border are confirmed; one that is not is skipped like any that cannot be judged,
    and the search goes on.
    """
    verdicts: dict[int, Verdict] = {}
    confirmed: set[int] = set()
    for end, wanted in ((0, Verdict.GOOD), (count - 1, Verdict.BAD)):
        verdicts[end] = judge(end)
        if verdicts[end] is not wanted:
            return None
    while border := _border(count, verdicts):
        between = range(border.last_good + 1, border.first_bad)
        sides = (border.first_bad, border.last_good)
        if untried := [at for at in between if at not in verdicts]:
            middle = untried[len(untried) // 2]
            verdicts[middle] = judge(middle)
        elif unconfirmed := [at for at in sides if at not in confirmed]:
            confirmed.add(unconfirmed[0])
            verdicts[unconfirmed[0]] = confirm(unconfirmed[0])
        else:
            return border
    return None


def most(count: int) -> int:
    """Return how many judgements a row of ``count`` takes, if all can be judged."""
    return 2 + max(0, count - 2).bit_length()


def _border(count: int, verdicts: dict[int, Verdict]) -> Border | None:
    """Return the last good one before the first bad one; None unless the ends are as required."""
    if verdicts[0] is not Verdict.GOOD or verdicts[count - 1] is not Verdict.BAD:
        return None
    bad = min(at for at, verdict in verdicts.items() if verdict is Verdict.BAD)
    good = max(at for at, verdict in verdicts.items() if verdict is Verdict.GOOD and at < bad)
    return Border(good, bad)
