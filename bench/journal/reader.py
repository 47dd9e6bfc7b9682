# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read journals: use every usable line, and report each other one with its number and reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bench.amounts import counted
from bench.errors import JournalError
from bench.journal import bounds
from bench.journal.distinct import Distinct, distinct
from bench.journal.raw_lines import RawLine, raw_lines
from bench.journal.schema import (
    LONGEST_LINE_BYTES,
    SCHEMA,
    VALUES,
    Fault,
    JournalContent,
    Kind,
    Run,
    RunHeader,
    Unused,
    Value,
)
from bench.paths import utf8
from bench.plan.config import TrialConfig
from bench.plan.experiments import Outline
from bench.record.footprint import MemoryLine
from bench.trial.result import TrialResult

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator, ValidationError

T = TypeVar("T")

_BEGINNING: Final = b'{"schema":'
_BEGINNINGS: Final = {
    kind: tuple(f'{{"schema":{each},"kind":"{kind}",'.encode() for each in range(1, SCHEMA + 1))
    for kind in Kind
}
_WITHIN_RUNS: Final = tuple(
    beginning for kind in Kind if kind is not Kind.MACHINE for beginning in _BEGINNINGS[kind]
)
_FOREIGN: Final = "not a line of a journal"
_MOST_FAULTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Hold a usable line and its place."""

    path: str
    number: int  # from 1
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """Explain why a line cannot be used; ``loses_run``: the run that follows it is unknown."""

    reason: str
    loses_run: bool = True


@cache
def _validator(kind: Kind) -> SchemaValidator:
    return bounds.validator(VALUES[kind])


@cache
def _quickly() -> Callable[[bytes], TrialResult | None]:
    from bench.journal import quick

    return quick.decoder(TrialResult)


def decode(text: bytes) -> Value | Unusable:
    """Return the value of one line."""
    kind = _kind(text)
    if isinstance(kind, Unusable):
        return kind
    from pydantic_core import ValidationError

    try:
        value: Value = _validator(kind).validate_json(text, strict=True)
    except ValidationError as error:
        return _invalid(kind, error)
    return value


def _kind(text: bytes) -> Kind | Unusable:
    """Return which kind of line this is, or why it cannot be used."""
    if bounds.crowded(text):
        return Unusable(
            reason=f"more than {bounds.MOST_VALUES:,} values in a line",
            loses_run=not text.startswith(_WITHIN_RUNS),
        )
    for kind, beginning in _BEGINNINGS.items():
        if text.startswith(beginning):
            return kind
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Unusable(reason=_undecodable(text, error))
    schema = fields.get("schema") if isinstance(fields, dict) else None
    if type(schema) is not int or schema < 1:
        return Unusable(reason=_FOREIGN)
    if schema > SCHEMA:
        return Unusable(
            reason=f"written by a newer version (schema {str(schema)[:20]}, this one reads up to "
            f"{SCHEMA}); update bufbench to read it"
        )
    named = fields.get("kind")
    if isinstance(named, str) and named in list(Kind):
        return Kind(named)
    shown = repr(named[:40]) if isinstance(named, str) else f"(a {type(named).__name__})"
    return Unusable(reason=f"unknown kind {shown}")


def _undecodable(text: bytes, error: Exception) -> str:
    if text.startswith(_BEGINNING):
        return "torn or damaged"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else _FOREIGN


def _invalid(kind: Kind, error: ValidationError) -> Unusable:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return Unusable(reason="torn or damaged", loses_run=kind is Kind.MACHINE)
    where = ".".join(str(part)[:40] for part in first["loc"])
    more = f", and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return Unusable(
        reason=f"{kind} line with a wrong field {where} ({first['msg']}){more}",
        loses_run=kind is Kind.MACHINE,
    )


def _pieces(text: bytes) -> tuple[bytes, ...]:
    """Return a torn line and the whole one that was joined to it, or the line alone.

    Concatenating a journal that ends in a torn line leaves both on one. A line's beginning cannot
    occur inside another: there, its quotation marks would be escaped.
    """
    joined = text.rfind(_BEGINNING)
    return (text[:joined], text[joined:]) if joined > 0 else (text,)


def values_of(
    number: int, line: RawLine, quickly: Callable[[bytes], TrialResult | None] | None = None
) -> Iterator[Value | Unusable]:
    """Yield what a line of a journal holds; ``number`` is from 1.

    Trials are made by ``quickly`` where it makes one, otherwise as :mod:`quick` does.
    """
    if line.fault:
        yield Unusable(reason=line.fault)
    elif line.text.startswith(_BEGINNINGS[Kind.TRIAL]) and (
        trial := (quickly or _quickly())(line.text)
    ):
        yield trial
    elif number == 1 or line.text.strip():
        for piece in _pieces(line.text):
            value = decode(piece)
            if isinstance(value, Unusable) and not line.whole:
                value = replace(value, reason=f"{value.reason} (the file ends within it)")
            yield value


def lines_of(path: Path) -> Iterator[tuple[int, RawLine]]:
    """Yield the lines and their numbers, up to the first of a file that is not a journal."""
    number = 0
    for number, line in enumerate(raw_lines(path), start=1):
        yield number, line
        if number == 1 and not (line.fault or line.text.startswith(_BEGINNING)):
            return
    if number == 0:
        yield 1, RawLine(fault="empty")


def read(path: Path) -> Iterator[Line | Fault]:
    """Yield the lines of ``path``, with a Fault in place of each that cannot be used.

    Trials whose run's own line could not be used are left out, with one Fault for all of them.
    Raises JournalError where the file cannot be opened or read.
    """
    name = utf8(path)
    values: Iterator[tuple[int, Value | Unusable]] = (
        (number, value) for number, line in lines_of(path) for value in values_of(number, line)
    )
    for number, value in usable(name, values, lambda value: isinstance(value, TrialResult)):
        if isinstance(value, Fault):
            yield value
        else:
            yield Line(path=name, number=number, value=value)


def usable(
    name: str, values: Iterable[tuple[int, Any]], trials: Callable[[T], int]
) -> Iterator[tuple[int, T | Fault]]:
    """Yield the values that belong to a run, and faults; ``trials`` counts those in a value.

    ``name`` is the journal's, and numbers are those of its lines.
    """
    known = False  # the run that values belong to
    number = orphans = faults = 0
    for number, value in values:
        if isinstance(value, Unusable):
            yield number, Fault(path=name, line=number, reason=value.reason)
            known = known and not value.loses_run
            faults += 1
            if faults == _MOST_FAULTS:
                given_up = "too many faults, given up"
                yield number, Fault(path=name, line=number, reason=given_up)
                break
        elif not isinstance(value, RunHeader) and not known:
            orphans += trials(value)
        else:
            known = True
            yield number, value
    if orphans:
        reason = (
            f"{counted(orphans, 'trial')} left out, since the line of their run could not be used"
        )
        yield number, Fault(path=name, line=number, reason=reason)


@dataclass(slots=True)
class Begun:
    """Collect a run while its lines are read."""

    header: RunHeader
    trials: list[Any] = field(default_factory=list)  # or values that stand for several
    memory: list[MemoryLine] = field(default_factory=list)
    plans: list[Outline] = field(default_factory=list)

    def take(self, value: Any) -> None:
        """Add what a line holds."""
        match value:
            case MemoryLine():
                self.memory.append(value)
            # A header's plan is the run's own, or of one that resumed it.
            case (Outline() as plan) | RunHeader(plan=Outline() as plan):
                self.plans.append(plan)
            case RunHeader() | Unused():
                pass
            case _:
                self.trials.append(value)


def by_run(values: Iterable[Any]) -> tuple[list[Begun], tuple[Fault, ...]]:
    """Return the runs that a journal's values belong to, and its faults.

    A resumed run joins the one before it.
    """
    runs: list[Begun] = []
    faults: list[Fault] = []
    for value in values:
        if isinstance(value, Fault):
            faults.append(value)
            continue
        if isinstance(value, RunHeader) and not (
            value.resumed and runs and continues(value, runs[-1].header)
        ):
            runs.append(Begun(value))
        runs[-1].take(value)
    return runs, tuple(faults)


def gather(lines: Iterable[Line | Fault]) -> JournalContent:
    """Gather lines into runs with their trials."""
    runs, faults = by_run(line if isinstance(line, Fault) else line.value for line in lines)
    return JournalContent(
        runs=tuple(
            Run(
                header=each.header,
                trials=tuple(each.trials),
                memory=tuple(each.memory),
                plans=tuple(each.plans),
            )
            for each in runs
        ),
        faults=faults,
    )


def read_journal(path: Path, *, strict: bool = False) -> JournalContent:
    """Read one journal, each trial once.

    JournalError if it cannot be opened or, when ``strict``, has a fault.
    """
    content = distinct([gather(read(path))])
    if strict and content.faults:
        raise JournalError(str(content.faults[0]))
    return content


def read_journals(paths: Iterable[Path]) -> JournalContent:
    """Read several journals as one, each trial once.

    JournalError if not one trial could be read from all of them.
    """
    journals = list(paths)
    return with_trials(distinct(gather(read(path)) for path in journals), journals)


def with_trials(content: JournalContent, read_from: Sequence[Path]) -> JournalContent:
    """Return the content of these journals; JournalError if it has no trial."""
    if not any(run.trials for run in content.runs):
        where = content.faults[0] if content.faults else ", ".join(map(str, read_from))
        raise JournalError(f"no trial to report on: {where}")
    return content


def resumable(path: Path) -> JournalContent | None:
    """Return the content of a journal to be resumed; None if its run had hardly begun.

    Raises JournalError if it cannot be read or holds no run.
    """
    content = gather(read(path))
    if content.runs:
        return content
    if _hardly_begun(path):
        return None
    why = content.faults[0] if content.faults else f"{path}: no run in it"
    raise JournalError(f"nothing to resume: {why}")


def last_run(path: Path, header: RunHeader) -> Run | None:
    """Return the run that the journal ends with, to be resumed; None if it hardly began.

    ``header`` is what the run that goes on is about to write. Raises JournalError if the journal
    cannot be read, holds no run, or if its last run is not the one to continue.
    """
    content = resumable(path)
    if content is None:
        return None
    found = Distinct()
    places = [found.take(run) for run in content.runs]
    last = found.runs[places[-1]]  # whole, also where an earlier copy was appended
    for what, then, now in _identity(last.header, header):
        if then != now:
            raise JournalError(
                f"journal {path} cannot be resumed: its last run has {what} {then!r}, not {now!r}",
                remedy="repeat the options of that run, or choose another place with --output",
            )
    return last


def finished(run: Run) -> dict[tuple[str, str, int], TrialConfig]:
    """Return (experiment, arm, block) of every finished trial of ``run``, and its configuration."""
    return {(each.experiment, each.arm, each.block): each.config for each in run.trials}


def _hardly_begun(path: Path) -> bool:
    """Return whether a run was killed before its first line was whole: nothing is lost."""
    with path.open("rb") as file:
        begun = file.read(LONGEST_LINE_BYTES)
    return b"\n" not in begun and _BEGINNING.startswith(begun[: len(_BEGINNING)])


def _identity(then: RunHeader, now: RunHeader) -> Iterator[tuple[str, object, object]]:
    """Yield the facts that must agree between a run and its continuation: name, then, now."""
    yield "profile", then.profile, now.profile
    yield "seed", then.seed, now.seed
    yield "host", then.machine.hostname, now.machine.hostname
    yield "kernel", then.machine.kernel_release, now.machine.kernel_release
    yield "online CPUs", then.machine.cpus_online, now.machine.cpus_online
    if then.machine.usable_cpus:  # recorded
        yield "usable CPUs", then.machine.usable_cpus, now.machine.usable_cpus
    if then.machine.identity:
        yield "identity", then.machine.identity, now.machine.identity


def continues(now: RunHeader, then: RunHeader) -> bool:
    """Return whether a run may continue the one before it."""
    return all(before == after for _, before, after in _identity(then, now))


def as_resumed(header: RunHeader, run: RunHeader) -> RunHeader:
    """Return ``header`` as the line that a continuation of ``run`` begins with."""
    return replace(header, resumed=True, run_id=run.run_id)
