# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Name the numbers of a kernel as tests do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.campaign.gates import WHAT, counts
from bench.judge.load import state_of
from bench.plan.experiments import BASELINES
from bench.questions.claims.claim import Verdict
from bench.questions.exact.study import KernelCount
from bench.trial.result import State

if TYPE_CHECKING:
    from bench.questions.kernels.matrix import Matrix

OPEN: Final = (Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED)
"""Verdicts that say nothing about a kernel."""

REFUSED: Final = "refused"
_MOST_SHOWN: Final = 8
MISSED: Final = "missed"

Value = int | str
"""A count, or a word: a verdict, or that a call was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Hold one number of a kernel."""

    name: str  # "reserve-submit@72", "perfbuf:causal", "rb-order"
    value: Value | None  # None: it cannot be judged
    why: str = ""  # it cannot be judged, or what refused it


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
    """Write readings with their values, each value once; "" for more than can be read."""
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
    """Yield what the trials on the one kernel of a matrix counted, and its claims' verdicts."""
    trials = [each for each in matrix.rows[0].trials if each.state is not State.INVALID]
    transports = dict.fromkeys(each.config.transport for each in trials)
    for transport in (each for each in transports if each not in BASELINES):
        own = [each for each in trials if each.config.transport == transport]
        full = [each for each in own if state_of(each) is not State.REDUCED]
        for what, unit in WHAT.items():
            happened = sum(counts(what, each)[0] for each in own)
            known = bool(happened or sum(counts(what, each)[1] for each in full))
            yield _counted(f"{transport}:{what}", happened, "" if known else f"no {unit}")
    found = (each for row in matrix.missed for each in (row.peace, row.noise))
    missed = [each.missed for each in found if each is not None]
    yield _counted(MISSED, sum(missed), "" if missed else "no exits")
    for row in matrix.claims:
        if finding := row.findings[0]:
            value = None if finding.verdict in OPEN else finding.verdict.replace(" ", "-")
            yield Reading(name=row.claim.id, value=value, why=finding.reason)


def _counted(name: str, count: int, why_unknown: str) -> Reading:
    return Reading(name=name, value=None if why_unknown else count, why=why_unknown)


def agreed(seeds: Sequence[tuple[int, Sequence[Reading]]]) -> tuple[Reading, ...]:
    """Return the readings of the first seed; one that differs with another cannot be judged."""
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
