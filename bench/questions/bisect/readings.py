# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The numbers of a kernel by name, as tests name them."""

from __future__ import annotations

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
"""Verdicts that tell nothing of a kernel."""

REFUSED: Final = "refused"
_MOST_SHOWN: Final = 8
MISSED: Final = "missed"

Value = int | str
"""A count, or a word: a verdict, or that a call was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number of a kernel."""

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


def in_short(readings: Sequence[Reading]) -> str:
    """Write readings with their values, each value once; "" for more than can be read."""
    names: dict[str, list[str]] = {}
    for each in readings:
        names.setdefault("unknown" if each.value is None else f"{each.value}", []).append(each.name)
    if len(readings) > _MOST_SHOWN:
        return ""
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
        for what, unit in WHAT.items():
            own = [each for each in trials if each.config.transport == transport]
            happened = sum(counts(what, each)[0] for each in own)
            full = (each for each in own if state_of(each) is not State.REDUCED)
            told = bool(happened or sum(counts(what, each)[1] for each in full))
            name, why = f"{transport}:{what}", "" if told else f"no {unit}"
            yield Reading(name=name, value=happened if told else None, why=why)
    missed = [
        found.missed
        for each in matrix.missed
        for found in (each.peace, each.noise)
        if found is not None
    ]
    yield Reading(
        name=MISSED, value=sum(missed) if missed else None, why="" if missed else "no exits"
    )
    for row in matrix.claims:
        if finding := row.findings[0]:
            value = None if finding.verdict in OPEN else finding.verdict.replace(" ", "-")
            yield Reading(name=row.claim.id, value=value, why=finding.reason)


def agreed(seeds: Sequence[tuple[int, Sequence[Reading]]]) -> tuple[Reading, ...]:
    """Return the readings of the first seed; what is another with another seed cannot be judged."""
    (seed, first), *others = seeds
    return tuple(_agreed(each, seed, others) for each in first)


def _agreed(
    reading: Reading, seed: int, others: Sequence[tuple[int, Sequence[Reading]]]
) -> Reading:
    for other_seed, readings in others:
        value = next((each.value for each in readings if each.name == reading.name), None)
        if reading.value is not None and value != reading.value:
            other = "cannot be judged" if value is None else value
            why = f"{reading.value} with seed {seed}, {other} with seed {other_seed}"
            return Reading(name=reading.name, value=None, why=why)
    return reading
