# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Name a kernel's numbers; parse and judge the test that a good kernel passes.

A test is a number's name and its limit.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.campaign.gates import WHAT, counts
from bench.errors import UsageError
from bench.judge.load import state_of
from bench.plan.experiments import BASELINES
from bench.questions.bisect.search import Verdict
from bench.questions.claims.claim import Verdict as Claimed
from bench.questions.exact import plan
from bench.questions.exact.gate import ALL
from bench.questions.exact.study import KernelCount
from bench.tracer.transports import known
from bench.trial.result import State

if TYPE_CHECKING:
    from bench.questions.kernels.matrix import Matrix

OPEN: Final = (Claimed.INCONCLUSIVE, Claimed.NOT_MEASURED)
"""Verdicts that do not judge a kernel."""

REFUSED: Final = "refused"
_MOST_SHOWN: Final = 8
MISSED: Final = "missed"
SAME: Final = "same"

_LIMIT: Final = re.compile(
    r"(?P<what>.+?)(?P<relation>:\+|:|=)(?P<limit>[a-z-]+|[0-9]{1,12})", re.ASCII
)
_REMEDY: Final = (
    "write CALL:+N, CALL:N, CALL=N, CALL=same (one size: CALL@72), drops, ringbuf:causal, missed:N "
    "or CLAIM=VERDICT"
)

Value = int | str
"""A count, or a word: a verdict, or that a call was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Hold one number of a kernel."""

    name: str  # "reserve-submit@72", "perfbuf:causal", "rb-order"
    value: Value | None  # None: it cannot be judged
    why: str = ""  # why it cannot be judged, or what refused it


def together(names: Sequence[str]) -> str:
    """Name several readings, a call once: "reserve-submit@72, @328"."""
    words: list[str] = []
    call = ""
    for name in names:
        before, at, size = name.partition("@")
        words.append(f"@{size}" if at and before == call else name)
        call = before
    return ", ".join(words)


def shown(value: Value | None) -> str:
    """Write the value of a reading."""
    return f"{value:,}" if isinstance(value, int) else value or "unknown"


def in_short(readings: Sequence[Reading]) -> str:
    """Write readings with their values, each value once; "" if there are too many."""
    if len(readings) > _MOST_SHOWN:
        return ""
    names = defaultdict[str, list[str]](list)
    for each in readings:
        names[shown(each.value)].append(each.name)
    return "; ".join(f"{together(each)}: {value}" for value, each in names.items())


def of_calls(kernel: KernelCount) -> Iterator[Reading]:
    """Yield the instructions of each call on a kernel."""
    for call in kernel.calls:
        value: Value | None = REFUSED if call.instructions is None else call.instructions
        name = f"{call.name}@{call.bytes}"
        yield Reading(name=name, value=value if call.reproducible else None, why=call.why)


def of_trials(matrix: Matrix) -> Iterator[Reading]:
    """Yield the counts of trials on the only kernel of a matrix, and its claims' verdicts."""
    trials = [each for each in matrix.rows[0].trials if each.state is not State.INVALID]
    transports = dict.fromkeys(each.config.transport for each in trials)
    for transport in (each for each in transports if each not in BASELINES):
        own = [each for each in trials if each.config.transport == transport]
        full = [each for each in own if state_of(each) is not State.REDUCED]
        for what, unit in WHAT.items():
            happened = sum(counts(what, each)[0] for each in own)
            known = bool(happened or sum(counts(what, each)[1] for each in full))
            yield _counted(f"{transport}:{what}", happened, "" if known else f"no {unit}")
    missed = [each.missed for row in matrix.missed for each in row.known.values()]
    yield _counted(MISSED, sum(missed), "" if missed else "no exits")
    for row in matrix.claims:
        if finding := row.findings[0]:
            value = None if finding.verdict in OPEN else finding.verdict.replace(" ", "-")
            yield Reading(name=row.claim.id, value=value, why=finding.reason)


def _counted(name: str, count: int, why_unknown: str) -> Reading:
    return Reading(name=name, value=None if why_unknown else count, why=why_unknown)


def agreed(seeds: Sequence[tuple[int, Sequence[Reading]]]) -> tuple[Reading, ...]:
    """Return the readings of the first seed; one that differs for another seed cannot be judged."""
    (seed, first), *others = seeds
    found = {each.name: each for each in first}
    for other_seed, readings in others:
        values = {each.name: each.value for each in readings}
        for name, reading in found.items():
            value = values.get(name)
            if reading.value not in (None, value):
                other = "cannot be judged" if value is None else value
                why = f"{reading.value} with seed {seed}, {other} with seed {other_seed}"
                found[name] = Reading(name=name, value=None, why=why)
    return tuple(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Hold a condition's judgement of a kernel."""

    verdict: Verdict = Verdict.UNKNOWN
    readings: tuple[Reading, ...] = ()  # to which it applies
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Test kernels: one on which it holds is good."""

    text: str  # as it was written
    what: str  # a call, "all", drops, causal, missed, or a claim
    scope: str = ""  # the bytes of a call, or a transport; "": any
    relation: str  # ":" at most, ":+" at most this much more than on GOOD, "=" exactly that
    limit: Value

    @property
    def exact(self) -> bool:
        """Return whether it is about instructions, which `kernels exact` counts."""
        return self.what in (ALL, *plan.NAMES)

    @property
    def relative(self) -> bool:
        """Return whether it compares with another kernel."""
        return self.relation == ":+" or self.limit == SAME

    def of(self, readings: Sequence[Reading]) -> tuple[Reading, ...]:
        """Return the readings that the test is about."""
        return tuple(each for each in readings if self._names(each.name))

    def judge(self, readings: Sequence[Reading], good: Sequence[Reading] = ()) -> Judged:
        """Judge a kernel, if necessary against the readings of the GOOD one.

        It is bad if the test fails anywhere, and good only if it holds everywhere.
        """
        own, base = self.of(readings), {each.name: each for each in good}
        if not own:
            return Judged(why=f"no {self.what} there")
        found = [(each, *self._verdict(each, base.get(each.name))) for each in own]
        for wanted in (Verdict.BAD, Verdict.UNKNOWN):
            whys = defaultdict[str, list[str]](list)
            for each, verdict, why in found:
                if verdict is wanted:
                    whys[why].append(each.name)
            if whys:
                words = [f"{together(named)}: {why}" for why, named in whys.items()]
                more = f"; and {len(words) - 3} more" if len(words) > 3 else ""
                return Judged(verdict=wanted, readings=own, why=f"{'; '.join(words[:3])}{more}")
        return Judged(verdict=Verdict.GOOD, readings=own)

    def _names(self, name: str) -> bool:
        if self.exact:
            call, _, size = name.partition("@")
            return bool(size) and self.what in (ALL, call) and self.scope in ("", size)
        if self.what in WHAT:
            transport, _, what = name.rpartition(":")
            return what == self.what and self.scope in ("", transport)
        return name == self.what

    def _verdict(self, reading: Reading, good: Reading | None) -> tuple[Verdict, str]:
        """Judge one reading; the reason does not name it."""
        value, limit = reading.value, self.limit
        if value is None:
            return Verdict.UNKNOWN, reading.why or "not reproducible"
        if self.relative:
            if good is None or good.value is None:
                return Verdict.UNKNOWN, "unknown for the good kernel"
            limit = good.value
        if self.relation == ":+":
            if isinstance(limit, str) and self.what == ALL:
                return Verdict.GOOD, ""  # there was none before, so it cannot have grown
            if isinstance(limit, str) or isinstance(self.limit, str):
                return Verdict.UNKNOWN, f"{limit} on the good kernel"
            limit += self.limit
        if self.relation == "=":
            holds, wanted = value == limit, shown(limit)
        elif isinstance(value, str) or isinstance(limit, str):
            return Verdict.UNKNOWN, f"{value}, {reading.why}"
        else:
            holds, wanted = value <= limit, f"at most {limit:,}"
        return (Verdict.GOOD, "") if holds else (Verdict.BAD, f"{shown(value)}, not {wanted}")


def parse(text: str) -> Condition:
    """Parse a test such as ``reserve-submit@72:+0``; UsageError for anything else."""
    word = text.strip()
    if word.rpartition(":")[2] in (*WHAT, MISSED):
        word = f"{word}:0"  # as a gate of `run`
    found = _LIMIT.fullmatch(word)
    if found is None:
        raise UsageError(f"no test {text[:60]!r}", remedy=_REMEDY)
    what, relation = found["what"], found["relation"]
    limit: Value = int(found["limit"]) if found["limit"].isdigit() else found["limit"]
    allowed, scope = [SAME], ""
    call, _, size = what.partition("@")
    transport, _, event = what.rpartition(":")
    if call in (ALL, *plan.NAMES):
        sizes = dict.fromkeys(str(each.bytes) for each in plan.CALLS if call in (ALL, each.name))
        if "@" in what and size not in sizes:
            raise UsageError(
                f"{call} is not counted at {size[:20] or 'no'} bytes",
                remedy=f"take one of {', '.join(each for each in sizes if each != '0')}",
            )
        allowed, what, scope = [SAME, REFUSED], call, size
    elif event in WHAT and (what == event or known(transport)):
        what, scope = event, transport
    elif relation == "=" and what != MISSED:
        return _claimed(text, what, str(limit))
    elif what != MISSED:
        calls = ", ".join((ALL, *plan.NAMES))
        raise UsageError(f"no number is called {what[:40]!r}", remedy=f"calls are {calls}")
    if isinstance(limit, str) and (relation != "=" or limit not in allowed):
        words = " or ".join(f"={each}" for each in allowed)
        raise UsageError(f"{text[:60]!r} has no limit", remedy=f"write :+N, :N, =N, {words}")
    return Condition(text=text.strip(), what=what, scope=scope, relation=relation, limit=limit)


def _claimed(text: str, name: str, word: str) -> Condition:
    from bench.questions.claims import expectations
    from bench.questions.claims.catalogue import chosen

    ((claim, verdict),) = expectations.parse([f"{name}={word}"]).items()
    if verdict in OPEN or chosen([claim])[0].over_kernels:
        raise UsageError(
            f"{text[:60]!r} cannot tell kernels apart",
            remedy="take =reproduced, =refuted or =not-applicable, of a claim on one kernel",
        )
    return Condition(text=text.strip(), what=claim, relation="=", limit=verdict.replace(" ", "-"))
