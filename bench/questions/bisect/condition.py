# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Parse and judge what has to hold on a good kernel: a number's name, and its limit."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.campaign.gates import WHAT
from bench.errors import UsageError
from bench.questions.bisect.readings import MISSED, OPEN, REFUSED, Reading, Value, shown, together
from bench.questions.bisect.search import Verdict
from bench.questions.exact import plan
from bench.questions.exact.gate import ALL
from bench.tracer.transports import known

SAME: Final = "same"

_LIMIT: Final = re.compile(
    r"(?P<what>.+?)(?P<relation>:\+|:|=)(?P<limit>[a-z-]+|[0-9]{1,12})", re.ASCII
)
_BYTES: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_REMEDY: Final = (
    "write CALL:+N, CALL:N, CALL=N, CALL=same (one size: CALL@72), drops, ringbuf:causal, missed:N "
    "or CLAIM=VERDICT"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Hold what a condition says of a kernel."""

    verdict: Verdict
    readings: tuple[Reading, ...]  # that it is about
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Test kernels: one on which it holds is good."""

    text: str  # as it was written
    what: str  # a call, "all", drops, causal, missed, or a claim
    scope: str = ""  # the bytes of a call, or a transport; "": any
    relation: str  # ":" at most, ":+" at most so much more than on GOOD, "=" just that
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
        """Judge a kernel, where need be by what was read on the GOOD one.

        It is bad if the test fails anywhere, and good only if it holds everywhere.
        """
        own, base = self.of(readings), {each.name: each for each in good}
        if not own:
            return Judged(verdict=Verdict.UNKNOWN, readings=own, why=f"no {self.what} there")
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
        return Judged(verdict=Verdict.GOOD, readings=own, why="")

    def _names(self, name: str) -> bool:
        if self.exact:
            call, _, size = name.partition("@")
            return bool(size) and self.what in (ALL, call) and self.scope in ("", size)
        if self.what in WHAT:
            transport, _, what = name.rpartition(":")
            return what == self.what and self.scope in ("", transport)
        return name == self.what

    def _verdict(self, reading: Reading, good: Reading | None) -> tuple[Verdict, str]:
        """Judge one reading; the words leave its name out."""
        value, limit = reading.value, self.limit
        if value is None:
            return Verdict.UNKNOWN, reading.why or "not reproducible"
        if self.relative:
            if good is None or good.value is None:
                return Verdict.UNKNOWN, "not known of the good kernel"
            limit = good.value
        if self.relation == ":+":
            if isinstance(limit, str) and self.what == ALL:
                return Verdict.GOOD, ""  # where there was none it cannot have grown
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
        _check_size(call, size, what)
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


def _check_size(call: str, size: str, what: str) -> None:
    sizes = dict.fromkeys(str(each.bytes) for each in plan.CALLS if call in (ALL, each.name))
    if "@" in what and size not in sizes:
        raise UsageError(
            f"{call} is not counted at {size[:20] or 'no'} bytes",
            remedy=f"take one of {', '.join(each for each in sizes if each != '0')}",
        )


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
