# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the first kernel on which a test fails, or judge one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from bench.errors import BufbenchError, MachineUnfit, Say, UsageError, clean
from bench.guests.sources import local
from bench.host import ownership
from bench.questions.bisect.condition import Condition, Judged, Reading, in_short
from bench.questions.bisect.search import Verdict, most, search
from bench.questions.kernels.run import folder_name

if TYPE_CHECKING:
    from bench.guests.sources import Candidate, Image
    from bench.questions.bisect.readers import Reader
    from bench.questions.bisect.state import Kernel, Notes


class Outcome(StrEnum):
    """Name how a search ended."""

    PLANNED = "planned"
    FOUND = "found"
    RANGE = "range"  # kernels between the last good and the first bad one cannot be judged
    GOOD_FAILS = "the test fails on GOOD"
    BAD_HOLDS = "the test holds on BAD"
    END_UNKNOWN = "an end cannot be judged"


_FAILED: Final = {
    Verdict.BAD: Outcome.GOOD_FAILS,
    Verdict.GOOD: Outcome.BAD_HOLDS,
    Verdict.UNKNOWN: Outcome.END_UNKNOWN,
}
"""How a search ends, by the verdict of an end that should have had another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Hold the result of testing a kernel."""

    kernel: str
    place: int  # among the candidates that differ, from 1
    release: str = ""
    origin: str = ""
    verdict: Verdict = Verdict.UNKNOWN
    readings: tuple[Reading, ...] = ()  # that the test covers
    seeds: tuple[int, ...] = ()  # of its boots
    why: str = ""  # why it is bad, or cannot be judged


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
    boots: int = 0  # of this run, which does not repeat an earlier one's
    first_bad: str | None = None
    last_good: str | None = None
    suspects: tuple[str, ...] = ()  # kernels after the last good one, up to the first bad one
    tried: tuple[Tried, ...] = ()


def planned(candidates: Sequence[Candidate], condition: Condition, confirming: int) -> Bisection:
    """Return the plan of a search; nothing is booted.

    UsageError if all are one image. ``confirming`` is how many more boots each side takes.
    """
    different = len(_rows(candidates))
    if different < 2:
        raise UsageError(
            f"{candidates[0].label} and {candidates[-1].label} are the same image, byte for byte",
            remedy="name two kernels",
        )
    return Bisection(
        test=condition.text,
        good=candidates[0].label,
        bad=candidates[-1].label,
        candidates=tuple(each.label for each in candidates),
        different=different,
        most_boots=most(different) + 2 * confirming,
    )


@dataclass(slots=True)
class Booter:
    """Boot kernels, each once with a seed, and keep the readings."""

    reader: Reader
    notes: Notes
    say: Say
    boots: int = 0

    def read(self, image: Image, seeds: Sequence[int]) -> Kernel:
        """Return what is known of a kernel after boots with all these seeds.

        A kernel without a result is not booted again. MachineUnfit for a file that is not a kernel.
        """
        kernel = self.notes.of(local.digest(image.vmlinuz))
        for seed in seeds:
            if kernel.reason or any(each.seed == seed for each in kernel.boots):
                continue
            self.say(f"{clean(image.label)}: booting, seed {seed}")
            place = self.notes.folder / folder_name(f"{image.label}-{kernel.sha256[:8]}")
            ownership.make_folder(place)
            boots = (*kernel.boots, self.reader.boot(image, seed, place))
            self.boots += 1
            kernel = replace(kernel, release=image.release, origin=image.origin, boots=boots)
            self.notes.keep(kernel)
        return kernel


def bisect(candidates: Sequence[Candidate], condition: Condition, booter: Booter) -> Bisection:
    """Find the first kernel on which the test fails, with as few boots as possible.

    Neighbours that are the same image, byte for byte, are one kernel.
    """
    seeds = booter.reader.seeds
    study = planned(candidates, condition, len(seeds) - 1)
    rows, looked = _rows(candidates), dict[int, Tried]()
    image = cache(lambda at: rows[at][0].fetch())

    def look(at: int, seeds: Sequence[int]) -> Verdict:
        label = rows[at][0].label
        found = looked.get(at) or Tried(kernel=label, place=at + 1)
        try:
            kernel = booter.read(image(at), seeds)
            judged = _judged(kernel, condition, looked[0].readings if at else kernel.readings)
            booted = tuple(boot.seed for boot in kernel.boots)
            found = replace(found, release=kernel.release, origin=kernel.origin, seeds=booted)
        except UsageError:
            raise
        except BufbenchError as error:
            judged = Judged(why=str(error))
        verdict, readings, why = judged.verdict, judged.readings, judged.why
        looked[at] = replace(found, verdict=verdict, readings=readings, why=why)
        booter.say(f"{clean(label)}: {verdict}: {clean(why or in_short(readings))}")
        return verdict

    def confirm(at: int) -> Verdict:
        """Boot with the other seeds too: a number that then differs cannot be judged."""
        return look(at, seeds) if len(seeds) > 1 else looked[at].verdict

    border = search(study.different, lambda at: look(at, seeds[:1]), confirm)
    tried = tuple(looked[at] for at in sorted(looked))
    study = replace(study, boots=booter.boots, tried=tried)
    if border is None:
        good, bad = tried[0].verdict, tried[-1].verdict
        return replace(study, outcome=_FAILED[bad if good is Verdict.GOOD else good])
    between = rows[border.last_good + 1 : border.first_bad + 1]
    first = between[-1][0].label
    suspects = tuple(each.label for row in between for each in row)
    return replace(
        study,
        last_good=rows[border.last_good][-1].label,
        first_bad=first,
        suspects=suspects[: suspects.index(first) + 1],
        outcome=Outcome.FOUND if len(between) == 1 else Outcome.RANGE,
    )


def step(image: Image, condition: Condition, booter: Booter, good: Sequence[Reading]) -> Judged:
    """Judge one kernel, with every seed; its readings are compared with ``good`` ones."""
    try:
        return _judged(booter.read(image, booter.reader.seeds), condition, good)
    except MachineUnfit as error:
        return Judged(why=str(error))


def _rows(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Put neighbours of one image together."""
    by_image = groupby(candidates, key=lambda each: each.sha256 or each.label)
    return [list(row) for _, row in by_image]


def _judged(kernel: Kernel, condition: Condition, good: Sequence[Reading]) -> Judged:
    return Judged(why=kernel.reason) if kernel.reason else condition.judge(kernel.readings, good)
