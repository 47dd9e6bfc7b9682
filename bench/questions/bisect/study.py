# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold a search for the first bad kernel, as JSON has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.questions.bisect.readings import Reading
from bench.questions.bisect.search import Verdict


class Outcome(StrEnum):
    """Name how a search ended."""

    PLANNED = "planned"
    FOUND = "found"
    RANGE = "range"  # kernels between the last good and the first bad one cannot be judged
    GOOD_FAILS = "the test fails on GOOD"
    BAD_HOLDS = "the test holds on BAD"
    END_UNKNOWN = "an end cannot be judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Hold what came of looking at a kernel."""

    kernel: str
    place: int  # among the candidates that differ, from 1
    release: str = ""
    origin: str = ""
    verdict: Verdict = Verdict.UNKNOWN
    readings: tuple[Reading, ...] = ()  # that the test is about
    seeds: tuple[int, ...] = ()  # of its boots
    why: str = ""  # it is bad, or cannot be judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """Hold a search, over or planned."""

    format: int = 1
    test: str  # holds on good kernels
    good: str
    bad: str
    candidates: tuple[str, ...]  # oldest first
    different: int  # of them; neighbours may be one image
    most_boots: int  # if all can be judged
    outcome: Outcome = Outcome.PLANNED
    boots: int = 0  # of this run: what an earlier one did is not done again
    first_bad: str | None = None
    last_good: str | None = None
    suspects: tuple[str, ...] = ()  # kernels behind the last good one, up to the first bad one
    tried: tuple[Tried, ...] = ()
