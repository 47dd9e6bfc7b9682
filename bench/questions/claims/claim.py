# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define claims and findings: a statement with its rule, and a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from functools import partial

from bench.amounts import counted
from bench.judge.metrics import Unit
from bench.judge.statistics import Estimate
from bench.questions.claims.evidence import Evidence, NotApplicable, NotMeasured
from bench.report.document import TrialSet
from bench.report.units import number, signed


class Side(StrEnum):
    """Name the buffer that a claim favours: the tables of the catalogue."""

    RING = "for the ring buffer"
    PERF = "for the perf buffer, or against the ring buffer"
    EITHER = "on tracers with either buffer"

    @property
    def heading(self) -> str:
        """Return the heading of the table."""
        return f"{self[0].upper()}{self[1:]}"

    @property
    def claim(self) -> Callable[..., Claim]:
        """Return a function that makes a claim on this side."""
        return partial(Claim, side=self)

    @property
    def timed(self) -> Callable[..., Claim]:
        """Return a function that makes a claim about times or rates."""
        return partial(Claim, side=self, of_times=True)

    @property
    def counted(self) -> Callable[..., Claim]:
        """Return a function that makes a claim by a count, not corrected for comparisons."""
        return partial(Claim, side=self, comparative=False)


class Verdict(StrEnum):
    """Classify the result of a claim."""

    REPRODUCED = "reproduced"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"  # the kernel or the machine lacks something
    NOT_MEASURED = "not measured"  # an experiment was not run


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberData:
    """Hold a number with the bounds of its 95 % interval."""

    what: str  # a description, "delivered a second, rb over pb"
    unit: Unit
    point: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredData(NumberData):
    """Hold the number that decided."""

    bound: float  # with which the interval was compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(MeasuredData):
    """Hold the number that decided, with its presentation."""

    blocks: tuple[float, ...] = ()  # the number in every block; () if it has no blocks
    difference: bool = False  # of two proportions, in points

    @classmethod
    def of(cls, what: str, unit: Unit, found: Estimate, *, bound: float) -> Measured:
        """Return an estimated number."""
        low, high = found.low, found.high
        return cls(what=what, unit=unit, point=found.point, low=low, high=high, bound=bound)

    @classmethod
    def exactly(cls, what: str, count: int, *, bound: int) -> Measured:
        """Return a count that is not an estimate."""
        return cls(what=what, unit=Unit.COUNT, point=count, low=count, high=count, bound=bound)

    def written(self, value: float) -> str:
        """Write a value of this number."""
        return (signed if self.difference else number)(value, self.unit)

    def __str__(self) -> str:
        """Write the number and its 95 % interval: "19.3 times (12.1 to 30.8)"."""
        point, low, high = map(self.written, (self.point, self.low, self.high))
        if self.unit is Unit.COUNT and low == high:  # no estimate
            return point
        return f"{point}{' times' * (self.unit is Unit.TIMES)} ({low} to {high})"


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold the verdict and its reasons."""

    verdict: Verdict
    reason: str
    _: KW_ONLY
    measured: Measured | None = None
    blocks: int = 0
    p: float | None = None  # comparative claims: p that the verdict is chance, before correction
    further_blocks: int | None = None  # inconclusive: how many more would likely settle it
    details: tuple[str, ...] = ()
    rests_on: tuple[TrialSet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Hold one published statement, in bufbench's words; ``sources`` say where it was published."""

    id: str
    side: Side
    statement: str
    sources: str
    published: str  # figures
    test: str
    reproduced_when: str
    comparative: bool  # corrected for the number of comparisons; a count is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Statement):
    """Hold a statement with the rule that judges it."""

    published: str = "none"
    comparative: bool = True
    experiments: tuple[str, ...]  # by which it is judged
    rule: Callable[[Evidence], Finding]
    cpus: int = 1  # usable CPUs needed
    of_times: bool = False  # about times or rates, not only counts and bytes
    over_kernels: bool = False  # has one verdict over all kernels, since no single one decides it
    on_capabilities: bool = False  # about those that a tracer needs, which the run must try
    lacks: Callable[[Evidence], str] = lambda _: ""  # kernel or machine; "": nothing

    def finding(self, evidence: Evidence) -> Finding:
        """Return the finding of ``evidence``, before the correction over all claims."""
        machine = evidence.machine
        if machine is not None and machine.cpus < self.cpus:
            lack = f"needs {counted(self.cpus, 'CPU')}, this run had {machine.cpus}"
            return Finding(Verdict.NOT_APPLICABLE, lack)
        try:
            if lack := self.lacks(evidence):
                return Finding(Verdict.NOT_APPLICABLE, lack)
            return self.rule(evidence)
        except NotApplicable as lacking:
            return Finding(Verdict.NOT_APPLICABLE, str(lacking))
        except NotMeasured:
            return Finding(Verdict.NOT_MEASURED, self._without(evidence))

    def _without(self, evidence: Evidence) -> str:
        missing = [name for name in self.experiments if name not in evidence.experiments]
        if missing:
            return f"there are no trials of {', '.join(missing)}"
        cut = {name: len(evidence.samples(name).reduced) for name in self.experiments}
        count = sum(cut.values())
        if not count:
            return f"arms are missing of {', '.join(self.experiments)}"
        names = ", ".join(name for name in cut if cut[name])
        return f"the storms were not the requested ones in {counted(count, 'trial')} of {names}"
