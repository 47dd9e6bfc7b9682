# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge each number and each claim over many machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from math import exp, inf, log
from operator import attrgetter
from typing import Final, TypeVar

from bench.journal.schema import JournalContent
from bench.judge.comparison import Comparison, Outcome
from bench.judge.statistics import Estimate, Scale, holm
from bench.linux.machine import Machine
from bench.linux.version import numbers as release_numbers
from bench.questions.claims.catalogue import Judged, of_machines
from bench.questions.claims.claim import Verdict
from bench.questions.claims.words import SPOKEN
from bench.questions.fleet import meta
from bench.questions.fleet.meta import Effect
from bench.questions.transports.standing import Question
from bench.questions.transports.summary import Summary
from bench.report.document import pick

_LEAST_ERROR: Final = {Scale.RATIO: 0.002, Scale.DIFFERENCE: 1e-4}
"""Least error: half a bin of a histogram, or one record in ten thousand."""

_FEWEST_IN_GROUP: Final = 3
FORMAT: Final = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Describe a machine and a kernel, with the facts that may go with a difference."""

    name: str
    facts: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnMachine:
    """Hold a number on one machine."""

    member: str
    point: float
    low: float
    high: float
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Hold a fact that goes with a difference: effects on machines with it and on others."""

    fact: str
    value: str
    machines: int
    point: float
    others: int
    others_point: float
    p: float  # corrected over all facts of all numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Name the two arms of a number, and the question that it answers."""

    question: Question
    experiment: str
    budget: str
    left: str  # arm
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Between):
    """Hold one number between two arms, over all machines that have it."""

    scale: Scale
    point: float
    low: float
    high: float
    next_low: float | None  # where the next machine's lies; null: too few machines
    next_high: float | None
    between: float  # the scatter of true effects: for a ratio, a factor such as 1.05
    inconsistency: float
    machines: tuple[OnMachine, ...]
    apart: tuple[str, ...]  # machines unlike the others
    splits: tuple[Split, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOver:
    """Hold a claim over machines."""

    id: str
    statement: str
    verdicts: dict[str, Verdict]  # by machine
    refuted_have: tuple[str, ...]  # facts shared by all refuting machines, and few of the others

    def counted(self, verdict: Verdict) -> int:
        """Count the machines with this verdict."""
        return sum(each is verdict for each in self.verdicts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Hold all results of a fleet, as in JSON.

    ``format`` is raised when a key changes its meaning.
    """

    format: int = FORMAT
    members: tuple[Member, ...]
    numbers: tuple[Number, ...]
    claims: tuple[ClaimOver, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Between):
    """Hold the difference between two arms on one machine, in a number that answers a question."""

    estimate: Estimate
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Hold the verdict on a claim on one machine."""

    id: str
    statement: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Hold the results of one machine that a fleet needs."""

    machine: Machine | None
    answers: tuple[Answer, ...]
    claims: tuple[Claimed, ...]


def measured(summary: Summary, judged: Judged | None = None) -> Measured:
    """Return a machine's results that a fleet needs; ``judged`` are its claims."""
    judgements = () if judged is None else judged.judgements
    return Measured(
        machine=summary.machine,
        answers=tuple(each for one in summary.comparisons for each in _answers(one)),
        claims=tuple(
            Claimed(id=e.claim.id, statement=e.claim.statement, verdict=e.finding.verdict)
            for e in judgements
        ),
    )


def of_journals(content: JournalContent) -> list[Measured]:
    """Return the results that a fleet needs, for each machine of some journals."""
    return [measured(*each) for each in of_machines(content)]


def judge(machines: Sequence[Measured]) -> Fleet:
    """Judge machines together."""
    found = _named(_distinct(machines))
    facts = {name: _facts(each.machine) for name, each in found.items()}
    by_arms: dict[Between, list[tuple[str, Answer]]] = {}
    for name, machine in found.items():
        for each in machine.answers:
            by_arms.setdefault(pick(Between, each), []).append((name, each))
    return Fleet(
        members=tuple(Member(name=name, facts=of) for name, of in facts.items()),
        numbers=tuple(_with_splits([_number(each) for each in by_arms.values()], facts)),
        claims=tuple(_claims(found, facts)),
    )


def _distinct(machines: Iterable[Measured]) -> Iterator[Measured]:
    """Yield each machine once, even if versions or limits keep its journals from being pooled.

    Machines that share a name, as clones may, are distinguished by their identity and their facts.
    Each number is the one with the most blocks, and each claim has a verdict that was reached, if
    any; of equals, the last.
    """
    same: dict[tuple[str, ...], list[Measured]] = {}
    for at, each in enumerate(machines):
        on = each.machine
        key: tuple[str, ...] = (str(at),)
        if on is not None:
            key = (on.hostname, on.identity, on.kernel_release, *_facts(on).values())
        same.setdefault(key, []).append(each)
    for group in same.values():
        answers = (answer for each in group for answer in each.answers)
        claims = (claimed for each in group for claimed in each.claims)
        yield Measured(
            machine=group[-1].machine,
            answers=_best(answers, partial(pick, Between), lambda e: e.estimate.blocks),
            claims=_best(claims, attrgetter("id"), lambda e: e.verdict in SPOKEN),
        )


def _best(
    values: Iterable[T], key: Callable[[T], object], rank: Callable[[T], int]
) -> tuple[T, ...]:
    """Return, for each key, the last of its values that none outranks."""
    found: dict[object, T] = {}
    for each in values:
        if (of := key(each)) not in found or rank(each) >= rank(found[of]):
            found[of] = each
    return tuple(found.values())


def _named(machines: Iterable[Measured]) -> dict[str, Measured]:
    """Name each machine by its host and kernel, with a number if two would share a name."""
    found: dict[str, Measured] = {}
    taken = Counter[str]()
    for each in machines:
        on = each.machine
        name = "?" if on is None else f"{on.hostname} {on.kernel_release}"
        taken[name] += 1
        found[f"{name} #{taken[name]}" if taken[name] > 1 else name] = each
    return found


def _facts(machine: Machine | None) -> dict[str, str]:
    if machine is None:
        return {}
    major, minor, _ = release_numbers(machine.kernel_release)
    return {
        "kernel": f"{major}.{minor}",
        "CPUs": str(machine.cpus),
        "CPU": machine.cpu_model,
        "preemption": machine.preemption,
        "virtualisation": "emulated" if machine.emulated else machine.virtualisation,
        "clock": machine.clock_source,
        "lock of the ring": machine.kernel_facts.get("ring_lock", "unknown"),
    }


def _answers(comparison: Comparison) -> Iterator[Answer]:
    for question in Question:
        row = comparison.row(question.key)
        if row is None or row.estimate is None:
            continue
        if row.estimate.scale is Scale.RATIO and not 0 < row.estimate.low <= row.estimate.high:
            continue
        yield Answer(
            question=question,
            experiment=comparison.experiment,
            budget=comparison.budget,
            left=str(comparison.left.arm),
            right=str(comparison.right.arm),
            estimate=row.estimate,
            outcome=row.outcome,
        )


def _number(rows: Sequence[tuple[str, Answer]]) -> Number:
    estimates = [row.estimate for _, row in rows]
    scale = estimates[0].scale
    effects = [_effect(each, scale) for each in estimates]
    pooled = meta.pool(effects)
    out = exp if scale is Scale.RATIO else float
    least = -inf if scale is Scale.RATIO else -1.0  # shares differ by 1 at most
    bounded = pooled.machines >= meta.FEWEST
    return pick(
        Number,
        rows[0][1],
        scale=scale,
        point=out(pooled.centre),
        low=out(pooled.low),
        high=out(pooled.high),
        next_low=out(max(pooled.next_low, least)) if bounded else None,
        next_high=out(min(pooled.next_high, -least)) if bounded else None,
        between=out(pooled.between),
        inconsistency=pooled.inconsistency,
        machines=tuple(
            pick(OnMachine, row.estimate, member=name, outcome=row.outcome) for name, row in rows
        ),
        apart=tuple(rows[at][0] for at in meta.apart(effects)),
        splits=(),
    )


def _effect(of: Estimate | OnMachine, scale: Scale) -> Effect:
    values = map(log if scale is Scale.RATIO else float, (of.point, of.low, of.high))
    return meta.effect(*values, least_error=_LEAST_ERROR[scale])


def _with_splits(
    numbers: Sequence[Number], facts: Mapping[str, Mapping[str, str]]
) -> Iterator[Number]:
    """Add to each number the facts that go with a difference, corrected over all of them."""
    tried = [[*_splits(number, facts)] for number in numbers]
    adjusted = iter(holm([split.p for splits in tried for split in splits]))
    for number, splits in zip(numbers, tried, strict=True):
        found = [replace(split, p=next(adjusted)) for split in splits]
        kept = sorted((each for each in found if each.p < meta.LEVEL), key=attrgetter("p"))
        yield replace(number, splits=tuple(kept))


def _splits(number: Number, facts: Mapping[str, Mapping[str, str]]) -> Iterator[Split]:
    out = exp if number.scale is Scale.RATIO else float
    effects = [_effect(each, number.scale) for each in number.machines]
    for fact in sorted({fact for each in number.machines for fact in facts[each.member]}):
        having = [facts[each.member].get(fact, "") for each in number.machines]
        for value, count in sorted(Counter(having).items()):
            if not _FEWEST_IN_GROUP <= count <= len(having) - _FEWEST_IN_GROUP:
                continue
            groups = ([of == value for of in having], [of != value for of in having])
            those, others, p = meta.difference(*([*compress(effects, each)] for each in groups))
            yield Split(
                fact=fact,
                value=value,
                machines=count,
                point=out(those.centre),
                others=others.machines,
                others_point=out(others.centre),
                p=p,
            )


def _claims(
    machines: Mapping[str, Measured], facts: Mapping[str, Mapping[str, str]]
) -> Iterator[ClaimOver]:
    """Yield the claims on which some machine has a verdict."""
    verdicts: dict[tuple[str, str], dict[str, Verdict]] = {}
    for name, machine in machines.items():
        for each in machine.claims:
            verdicts.setdefault((each.id, each.statement), {})[name] = each.verdict
    for (claim_id, statement), found in verdicts.items():
        if not set(found.values()) <= {Verdict.NOT_MEASURED, Verdict.NOT_APPLICABLE}:
            yield ClaimOver(
                id=claim_id,
                statement=statement,
                verdicts=found,
                refuted_have=tuple(_shared_by_refuting(found, facts)),
            )


def _shared_by_refuting(
    verdicts: Mapping[str, Verdict], facts: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Yield the facts that all machines that refute a claim share, and few that reproduce it."""
    refuting = [facts[name] for name, each in verdicts.items() if each is Verdict.REFUTED]
    others = [facts[name] for name, each in verdicts.items() if each is Verdict.REPRODUCED]
    if not refuting or not others:
        return
    for fact, value in refuting[0].items():
        if all(each.get(fact) == value for each in refuting):
            alike = sum(each.get(fact) == value for each in others)
            if 2 * alike < len(others):
                yield f"{fact} {value}"
