# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the first kernel on which a test fails, or judge one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from bench.errors import BufbenchError, MachineUnfit, UsageError, clean
from bench.guests import images
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


def planned(candidates: Sequence[Candidate], condition: Condition, confirming: int) -> Bisection:
    """Return what would be looked at; nothing is booted.

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
        kernel = self._notes.of(images.digest(image.vmlinuz))
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
    study = replace(study, boots=booter.boots, tried=looks.tried())
    ends = looks.verdict(0), looks.verdict(study.different - 1)
    if border is None:
        for verdict, wanted, outcome in (
            (ends[0], Verdict.GOOD, Outcome.GOOD_FAILS),
            (ends[1], Verdict.BAD, Outcome.BAD_HOLDS),
        ):
            if verdict is not wanted:
                lost = verdict is Verdict.UNKNOWN
                return replace(study, outcome=Outcome.END_UNKNOWN if lost else outcome)
    else:
        between = looks.rows[border.last_good + 1 : border.first_bad + 1]
        suspects = tuple(each.label for row in between for each in row)
        first = between[-1][0].label
        study = replace(
            study,
            last_good=looks.rows[border.last_good][-1].label,
            first_bad=first,
            suspects=suspects[: suspects.index(first) + 1],
            outcome=Outcome.FOUND if len(between) == 1 else Outcome.RANGE,
        )
    return study


def step(image: Image, condition: Condition, booter: Booter, good: Sequence[Reading]) -> Judged:
    """Judge one kernel, with every seed; its readings are compared with ``good`` ones."""
    try:
        return _judged(booter.read(image, booter.seeds), condition, good)
    except MachineUnfit as error:
        return Judged(verdict=Verdict.UNKNOWN, readings=(), why=str(error))


def _rows(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Put neighbours of one image together."""

    def image(each: Candidate) -> str:
        return each.sha256 or each.label

    return [list(row) for _, row in groupby(candidates, key=image)]


def _judged(kernel: Kernel, condition: Condition, good: Sequence[Reading]) -> Judged:
    if kernel.reason:
        return Judged(verdict=Verdict.UNKNOWN, readings=(), why=kernel.reason)
    return condition.judge(kernel.readings, good)


class _Looks:
    """The kernels that were looked at, by their place."""

    def __init__(
        self, rows: Sequence[Sequence[Candidate]], condition: Condition, booter: Booter
    ) -> None:
        self.rows = rows
        self._condition, self._booter = condition, booter
        self._images: dict[int, Image] = {}
        self._kernels: dict[int, Kernel] = {}
        self._judged: dict[int, Judged] = {}

    def verdict(self, at: int) -> Verdict:
        """Return what is known of a place."""
        return self._judged[at].verdict if at in self._judged else Verdict.UNKNOWN

    def judge(self, at: int) -> Verdict:
        """Boot the kernel at a place once, unless that was done."""
        return self._look(at, self._booter.seeds[:1])

    def confirm(self, at: int) -> Verdict:
        """Boot it with the other seeds as well: what differs then cannot be judged."""
        seeds = self._booter.seeds
        return self._look(at, seeds) if len(seeds) > 1 else self.verdict(at)

    def _look(self, at: int, seeds: Sequence[int]) -> Verdict:
        label = clean(self.rows[at][0].label)
        try:
            judged = self._read(at, seeds)
        except UsageError:
            raise
        except BufbenchError as error:
            judged = Judged(verdict=Verdict.UNKNOWN, readings=(), why=str(error))
        self._judged[at] = judged
        numbers = in_short(judged.readings)
        self._booter.say(f"{label}: {judged.verdict}: {clean(judged.why or numbers)}")
        return judged.verdict

    def _read(self, at: int, seeds: Sequence[int]) -> Judged:
        image = self._images.get(at) or self.rows[at][0].fetch()
        self._images[at] = image
        self._kernels[at] = self._booter.read(image, seeds)
        return _judged(self._kernels[at], self._condition, self._kernels[0].readings)

    def tried(self) -> tuple[Tried, ...]:
        """Return the kernels that were looked at, in their order among all."""
        return tuple(self._tried(at) for at in sorted(self._judged))

    def _tried(self, at: int) -> Tried:
        judged, kernel = self._judged[at], self._kernels.get(at)
        return Tried(
            kernel=self.rows[at][0].label,
            place=at + 1,
            release=kernel.release if kernel else "",
            origin=kernel.origin if kernel else "",
            verdict=judged.verdict,
            readings=judged.readings,
            seeds=tuple(boot.seed for boot in kernel.boots) if kernel else (),
            why=judged.why,
        )
