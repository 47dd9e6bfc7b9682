# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define experiments: the question each one answers, its arms, and which of them are compared.

Names of arms carry what a comparison needs, since a journal holds nothing else of the plan:

    none                    no tracer at all
    noop                    a program that writes nothing
    ringbuf@64KiB           a transport at a budget
    perfbuf@64KiB(48KiB)    the same budget, but these data bytes: the nearest that it can have
    ringbuf@64KiB/forced    the same budget, set apart from the experiment's other arms
    ringbuf@64KiB#2         the same configuration under a second name (A/A)

An outline lists the trials that a run is to have, so that its journal shows what is missing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Self

from bench.errors import UsageError
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import TrialConfig
from bench.plan.traits import Traits

BASELINES: Final = ("none", "noop")
REFERENCE: Final = "perfbuf"
"""The transport that every other one is compared with."""

LADDER_STORMS: Final = 20
"""Lossless storms that a rung of a ladder needs to be conclusive (upper 95 % bound: 14 %)."""

_MOST_REFERENCES: Final = 8


class ArmName(str):  # noqa: SLOT000  its parts are few, and vars() names them
    """Hold an arm's parts and, as a string, its label. All parts but ``copy`` are labels."""

    transport: str
    budget: str  # "" where there is none, as of a baseline
    actual: str  # the nearest budget that it can have; "" where that is the budget
    variant: str  # what sets it apart from arms of the same transport and budget
    copy: int

    def __new__(
        cls, transport: str, budget: str = "", actual: str = "", variant: str = "", copy: int = 1
    ) -> Self:
        """Make the label of these parts."""
        label = transport + (f"@{budget}" if budget else "") + (f"({actual})" if actual else "")
        label += (f"/{variant}" if variant else "") + (f"#{copy}" if copy > 1 else "")
        self = super().__new__(cls, label)
        self.transport, self.budget, self.actual = transport, budget, actual
        self.variant, self.copy = variant, copy
        return self

    def having(self, **parts: Any) -> ArmName:
        """Return the name with these parts replaced."""
        return ArmName(**{**vars(self), **parts})

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, label: str) -> ArmName:
        """Return the parts of a journal's label; one of no known form is a transport's name."""
        match = re.fullmatch(
            r"(?P<transport>[^@#()/]+)(?:@(?P<budget>[^@#()/]+)(?:\((?P<actual>[^@#()/]+)\))?)?"
            r"(?:/(?P<variant>[^@#()/]+))?(?:#(?P<copy>[0-9]{1,3}))?",
            label,
        )
        found = cls(label)
        if match is not None:
            transport, budget, actual, variant, copy = match.groups(default="")
            found = cls(transport, budget, actual, variant, int(copy or 1))
        # What was written stays what the arm is called: "ringbuf@64KiB#1", say.
        return found if found == label else cls(label)

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: Any) -> Any:
        """Read a label, as journals have it."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Hold one configuration of an experiment."""

    name: ArmName
    config: TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Hold arms that every block runs once each, in random order."""

    name: str
    title: str  # the question that it answers
    arms: tuple[Arm, ...]
    blocks: int
    omitted: tuple[str, ...] = ()  # arms that this machine cannot have, and why, in words

    @property
    def duet(self) -> bool:
        """Return whether two arms share the storms of a block."""
        return bool(self.arms) and self.arms[0].config.duet is not None

    @property
    def storms(self) -> int:
        """Return the storms of a block: one for each arm, or one that the arms of a duet share."""
        rules = [arm.config.duet for arm in self.arms]
        return 1 if any(rule and not rule.solo for rule in rules) else len(rules)

    def order(self, block: int, seed: int) -> tuple[Arm, ...]:
        """Return the arms in the random order of block ``block`` (from 0).

        It depends on the seed, the name and the block alone, so that a run that was interrupted
        goes on in the order it would have had.
        """
        arms = list(self.arms)
        random.Random(f"{seed}/{self.name}/{block}").shuffle(arms)
        return tuple(arms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Name two arms of one experiment: ``left`` is judged against ``right``."""

    left: ArmName
    right: ArmName


def comparisons(names: Iterable[ArmName]) -> tuple[Pair, ...]:
    """Pair every transport with the perf buffers of its budget and variant, in order.

    There are one or two of these; a transport that is also per CPU is paired with the one of its
    own size. UsageError if there are more than any plan has.
    """
    first = [name for name in names if name.copy == 1 and name.budget]
    references: dict[tuple[str, str], list[ArmName]] = {}
    for name in first:
        if name.transport == REFERENCE:
            references.setdefault((name.budget, name.variant), []).append(name)
    if any(len(found) > _MOST_REFERENCES for found in references.values()):
        raise UsageError(
            f"an experiment has more than {_MOST_REFERENCES} perf buffers of one budget",
            remedy="report on journals that bufbench wrote",
        )
    return tuple(
        Pair(left=left, right=right)
        for left in first
        if left.transport != REFERENCE
        for right in references.get((left.budget, left.variant), ())
        if not left.actual or left.actual == right.actual
    )


def twins(names: Iterable[ArmName]) -> tuple[Pair, ...]:
    """Return the A/A pairs: an arm and the same configuration under its second name."""
    known = tuple(names)
    return tuple(
        Pair(left=first, right=name)
        for name in known
        if name.copy > 1 and (first := name.having(copy=1)) in known
    )


def transport_arms(
    transport: Traits, config: TrialConfig, budget_bytes: int, *, cpus: int
) -> tuple[tuple[Arm, ...], tuple[str, ...]]:
    """Return the arms of ``transport`` at a budget, and what had to be left out, in words."""
    config = replace(config, transport=transport.name)
    buffers, sizes, wide = transport.buffers(cpus), [budget_bytes], "larger than the buffer"
    if transport.per_cpu:
        sizes = [pages * PAGE_BYTES for pages in budgets.perf_pages_per_cpu(budget_bytes, buffers)]
        wide = f"too large for one {transport.sharer}'s share of the budget"
    arms: list[Arm] = []
    omitted: list[str] = []
    for size_bytes in sizes:
        actual_bytes = size_bytes * buffers
        name = ArmName(
            transport=transport.name,
            budget=budgets.label(budget_bytes),
            actual=budgets.label(actual_bytes) if actual_bytes != budget_bytes else "",
        )
        if transport.holds(config.producer.payload_bytes, size_bytes):
            arms.append(Arm(name=name, config=replace(config, budget_bytes=actual_bytes)))
        else:
            omitted.append(f"{name}: not applicable, a record is {wide}")
    return tuple(arms), tuple(omitted)


def second_names(arms: Iterable[Arm]) -> tuple[Arm, ...]:
    """Return the same configurations under their second names."""
    return tuple(replace(arm, name=arm.name.having(copy=2)) for arm in arms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Hold blocks of one experiment, each with all of these arms."""

    experiment: str
    arms: tuple[str, ...]
    first_block: int
    blocks: int  # how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Hold what is planned; a line of a journal adds to those before it."""

    stages: tuple[Stage, ...] = ()
    open: bool = False  # what follows is decided by what has come out, or by time
    no_time_for: tuple[str, ...] = ()  # in words: what there was no time for


def stage(experiment: Experiment, first_block: int = 0) -> Stage:
    """Return the blocks of ``experiment`` from ``first_block`` on."""
    return Stage(
        experiment=experiment.name,
        arms=tuple(arm.name for arm in experiment.arms),
        first_block=first_block,
        blocks=experiment.blocks - first_block,
    )


def outline(experiments: Iterable[Experiment], *, adaptive: bool = False) -> Outline:
    """Return the plan of a run of all blocks of ``experiments``."""
    return Outline(stages=tuple(map(stage, experiments)), open=adaptive)
