# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What changed in the kernels' code, as each kernel itself tells it, and where that set in.

Fixes are backported: nothing here is told from a version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.judge.memory import Worth
from bench.linux.preemption import UNKNOWN
from bench.questions.kernels.rows import KernelRow, Result
from bench.questions.transports.profiles import PERFBUF, RINGBUF


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that kernels differ in."""

    key: str
    short: str  # heads a column
    title: str
    published: str  # since when, by version numbers; "" where that is configured
    state: Callable[[Result], str | None]  # in words; None: this journal does not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One fact over all rows."""

    fact: Fact
    states: tuple[str | None, ...]  # one a row
    onsets: tuple[int, ...]  # rows whose state differs from the last one known of their flavour


def _told(name: str) -> Callable[[Result], str | None]:
    return lambda result: result.machine.kernel_facts.get(name)


def _preemption(result: Result) -> str | None:
    return None if result.machine.preemption == UNKNOWN else result.machine.preemption


def _format_lost(result: Result) -> str | None:
    told = [
        trial.lost_told
        for samples in result.evidence.experiments.values()
        for arm in samples.arms.values()
        for trial in arm.trials
        if trial.config.transport == PERFBUF
    ]
    if not told:
        return None
    return "yes" if any("PERF_FORMAT_LOST" in kinds for kinds in told) else "no"


def _fdinfo(result: Result) -> str | None:
    words = {Worth.RIGHT: "right", Worth.NOTHING: "0", Worth.WRONG: "wrong"}
    return _of_ring(result, lambda judged: words.get(judged.worths["memlock_bytes"]))


def _charged(result: Result) -> str | None:
    words = {Worth.RIGHT: "yes", Worth.NOTHING: "no", Worth.WRONG: "no"}
    return _of_ring(result, lambda judged: words.get(judged.worths["memcg_bytes"]))


def _of_ring(result: Result, state: Callable[..., str | None]) -> str | None:
    """Return the state at the largest budget that has one."""
    for judged in reversed(result.memory):
        if judged.line.transport == RINGBUF and (found := state(judged)) is not None:
            return found
    return None


FACTS: Final = (
    Fact(
        key="preemption",
        short="preemption",
        title="preemption model",
        published="",
        state=_preemption,
    ),
    Fact(
        key="ring_buffer",
        short="ring",
        title="ring buffer",
        published="5.8",
        state=_told("ring_buffer"),
    ),
    Fact(
        key="memcg",
        short="charged",
        title="ring charged to the memory cgroup",
        published="about 5.11",
        state=_charged,
    ),
    Fact(
        key="format_lost",
        short="lost told",
        title="exact lost count of perf events (PERF_FORMAT_LOST)",
        published="about 6.0",
        state=_format_lost,
    ),
    Fact(
        key="fdinfo",
        short="fdinfo",
        title="fdinfo memlock of a ring",
        published="right from about 6.4",
        state=_fdinfo,
    ),
    Fact(
        key="pending_pos",
        short="pending_pos",
        title="pending_pos: a walk under the ring's lock",
        published="mid-2024, backported",
        state=_told("ring_pending_pos"),
    ),
    Fact(
        key="lock",
        short="lock",
        title="lock of the ring",
        published="raw from about 6.12, resilient from about 6.15",
        state=_told("ring_lock"),
    ),
    Fact(
        key="group_dead",
        short="group_dead",
        title="exit tracepoint before exit_mm (group_dead)",
        published="about 6.16",
        state=_told("exit_group_dead"),
    ),
    Fact(
        key="overwrite_pos",
        short="overwrite_pos",
        title="overwrite mode (overwrite_pos)",
        published="about 6.19",
        state=_told("ring_overwrite_pos"),
    ),
)
"""What decides most, then the others in the order in which they came."""


def compared_within(fact: Fact, row: KernelRow) -> str:
    """Return what a row's state is compared within: a flavour chooses its preemption."""
    return row.flavour if fact.key == "preemption" else ""


def changes(rows: Sequence[KernelRow]) -> tuple[Change, ...]:
    """Return every fact that at least one row has."""
    found = (_change(fact, rows) for fact in FACTS)
    return tuple(change for change in found if any(change.states))


def _change(fact: Fact, rows: Sequence[KernelRow]) -> Change:
    states = tuple(fact.state(row.result) if row.result is not None else None for row in rows)
    last: dict[str, str] = {}
    onsets = []
    for at, (row, state) in enumerate(zip(rows, states, strict=True)):
        if state is None:
            continue
        of = compared_within(fact, row)
        if last.get(of, state) != state:
            onsets.append(at)
        last[of] = state
    return Change(fact=fact, states=states, onsets=tuple(onsets))
