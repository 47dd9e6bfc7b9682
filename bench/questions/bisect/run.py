# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the first kernel on which a test fails, or judge one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from bench.errors import BufbenchError, MachineUnfit, UsageError, clean
from bench.guests.sources import local
from bench.host import ownership
from bench.questions.bisect.condition import Condition, Judged
from bench.questions.bisect.readings import Reading, in_short
from bench.questions.bisect.search import Verdict, most, search
from bench.questions.bisect.study import Bisection, Outcome, Tried
from bench.questions.kernels.run import folder_name

if TYPE_CHECKING:
    from bench.guests.sources import Candidate, Image
    from bench.questions.bisect.readers import Reader
    from bench.questions.bisect.state import Kernel, Notes
    from bench.questions.kernels.run import Say

_FAILED: Final = {
    Verdict.BAD: Outcome.GOOD_FAILS,
    Verdict.GOOD: Outcome.BAD_HOLDS,
    Verdict.UNKNOWN: Outcome.END_UNKNOWN,
}
"""How a search ends, by the verdict of an end that should have had another one."""


def planned(candidates: Sequence[Candidate], condition: Condition, confirming: int) -> Bisection:
    """Return the plan of a search; nothing is booted.

    UsageError where all are one image. ``confirming`` is how many boots more a side takes.
    """
    rows = _rows(candidates)
    if len(rows) < 2:
        raise UsageError(
            f"{candidates[0].label} and {candidates[-1].label} are the same image, byte for byte",
            remedy="name two kernels",
        )
    return Bisection(
        test=condition.text,
        good=candidates[0].label,
        bad=candidates[-1].label,
        candidates=tuple(each.label for each in candidates),
        different=len(rows),
        most_boots=most(len(rows)) + 2 * confirming,
    )


class Booter:
    """Boot kernels, each once with a seed, and keep what that gave."""

    def __init__(self, reader: Reader, notes: Notes, say: Say) -> None:
        self.boots = 0
        self.seeds = reader.seeds
        self.say = say
        self._reader, self._notes = reader, notes

    def read(self, image: Image, seeds: Sequence[int]) -> Kernel:
        """Return what is known of a kernel after boots with all these seeds.

        One that gives nothing is not booted again. MachineUnfit for what is no kernel.
        """
        kernel = self._notes.of(local.digest(image.vmlinuz))
        for seed in seeds:
            if kernel.reason or any(each.seed == seed for each in kernel.boots):
                continue
            self.say(f"{clean(image.label)}: booting, seed {seed}")
            place = self._notes.folder / folder_name(f"{image.label}-{kernel.sha256[:8]}")
            ownership.make_folder(place)
            boot = self._reader.boot(image, seed, place)
            self.boots += 1
            known = (*kernel.boots, boot)
            kernel = replace(kernel, release=image.release, origin=image.origin, boots=known)
            self._notes.keep(kernel)
        return kernel


def bisect(candidates: Sequence[Candidate], condition: Condition, booter: Booter) -> Bisection:
    """Find the first kernel on which the test fails, by as few boots as can be.

    Neighbours that are the same image, byte for byte, are one kernel.
    """
    study = planned(candidates, condition, len(booter.seeds) - 1)
    looks = _Looks(_rows(candidates), condition, booter)
    border = search(study.different, looks.judge, looks.confirm)
    tried = tuple(looks.tried[at] for at in sorted(looks.tried))
    study = replace(study, boots=booter.boots, tried=tried)
    if border is None:
        good, bad = tried[0].verdict, tried[-1].verdict
        return replace(study, outcome=_FAILED[bad if good is Verdict.GOOD else good])
    between = looks.rows[border.last_good + 1 : border.first_bad + 1]
    first = between[-1][0].label
    suspects = tuple(each.label for row in between for each in row)
    return replace(
        study,
        last_good=looks.rows[border.last_good][-1].label,
        first_bad=first,
        suspects=suspects[: suspects.index(first) + 1],
        outcome=Outcome.FOUND if len(between) == 1 else Outcome.RANGE,
    )


def step(image: Image, condition: Condition, booter: Booter, good: Sequence[Reading]) -> Judged:
    """Judge one kernel, with every seed; its readings are compared with ``good`` ones."""
    try:
        return _judged(booter.read(image, booter.seeds), condition, good)
    except MachineUnfit as error:
        return Judged(verdict=Verdict.UNKNOWN, readings=(), why=str(error))


def _rows(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Put neighbours of one image together."""
    by_image = groupby(candidates, key=lambda each: each.sha256 or each.label)
    return [list(row) for _, row in by_image]


def _judged(kernel: Kernel, condition: Condition, good: Sequence[Reading]) -> Judged:
    if kernel.reason:
        return Judged(verdict=Verdict.UNKNOWN, readings=(), why=kernel.reason)
    return condition.judge(kernel.readings, good)


class _Looks:
    """Look at kernels by their place, and keep what came of it."""

    def __init__(
        self, rows: Sequence[Sequence[Candidate]], condition: Condition, booter: Booter
    ) -> None:
        self.rows = rows
        self.tried: dict[int, Tried] = {}
        self._condition, self._booter = condition, booter
        self._images: dict[int, Image] = {}

    def judge(self, at: int) -> Verdict:
        """Boot the kernel at a place once."""
        return self._look(at, self._booter.seeds[:1])

    def confirm(self, at: int) -> Verdict:
        """Boot it with the other seeds as well: what differs then cannot be judged."""
        seeds = self._booter.seeds
        return self._look(at, seeds) if len(seeds) > 1 else self.tried[at].verdict

    def _look(self, at: int, seeds: Sequence[int]) -> Verdict:
        candidate = self.rows[at][0]
        tried = self.tried.get(at) or Tried(kernel=candidate.label, place=at + 1)
        try:
            if at not in self._images:
                self._images[at] = candidate.fetch()
            kernel = self._booter.read(self._images[at], seeds)
            good = self.tried[0].readings if at else kernel.readings
            judged = _judged(kernel, self._condition, good)
            booted = tuple(boot.seed for boot in kernel.boots)
            tried = replace(tried, release=kernel.release, origin=kernel.origin, seeds=booted)
        except UsageError:
            raise
        except BufbenchError as error:
            judged = Judged(verdict=Verdict.UNKNOWN, readings=(), why=str(error))
        self.tried[at] = replace(
            tried, verdict=judged.verdict, readings=judged.readings, why=judged.why
        )
        numbers = in_short(judged.readings)
        label = clean(candidate.label)
        self._booter.say(f"{label}: {judged.verdict}: {clean(judged.why or numbers)}")
        return judged.verdict
