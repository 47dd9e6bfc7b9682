# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Facts that kernels differ in, as each kernel itself shows them, and where each changed.

Fixes are backported: nothing here is derived from a version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bench.escape import clean
from bench.judge.memory import Worth
from bench.linux.machine import UNKNOWN
from bench.questions.kernels.rows import KernelRow, Result
from bench.questions.transports.profiles import PERFBUF, RINGBUF


class Fact(NamedTuple):
    """Something that kernels differ in."""

    key: str
    short: str  # heads a column
    title: str
    published: str  # since when, by version numbers; "" where that is configured
    state: Callable[[Result], str | None]  # None: not recorded in this journal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeData:
    """One fact over all rows, as JSON has it."""

    key: str
    title: str
    published: str
    states: tuple[str | None, ...]  # one a row
    onsets: tuple[str, ...]  # labels of rows whose state differs from the last one known


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(ChangeData):
    """The same with its words."""

    short: str
    steps: Mapping[str, str]  # of each onset, from what state to what


def _probed(name: str) -> Callable[[Result], str | None]:
    return lambda result: result.machine.kernel_facts.get(name)


def _preemption(result: Result) -> str | None:
    return None if result.machine.preemption == UNKNOWN else result.machine.preemption


def _format_lost(result: Result) -> str | None:
    kinds = [t.lost_told for t in result.trials() if t.config.transport == PERFBUF]
    if not kinds:
        return None
    return "yes" if any("PERF_FORMAT_LOST" in each for each in kinds) else "no"


def _ring(key: str, *, right: str, nothing: str, wrong: str) -> Callable[[Result], str | None]:
    """Return what names an instrument's worth, at the largest budget of a ring that has one."""
    words = {Worth.RIGHT: right, Worth.NOTHING: nothing, Worth.WRONG: wrong}

    def state(result: Result) -> str | None:
        rings = [each for each in result.memory if each.line.transport == RINGBUF]
        return next((words[w] for each in rings[::-1] if (w := each.worths[key]) in words), None)

    return state


FACTS: Final = (
    Fact("preemption", "preemption", "preemption model", "", _preemption),
    Fact("ring_buffer", "ring", "ring buffer", "5.8", _probed("ring_buffer")),
    Fact(
        "memcg",
        "charged",
        "ring charged to the memory cgroup",
        "about 5.11",
        _ring("memcg_bytes", right="yes", nothing="no", wrong="no"),
    ),
    Fact(
        "format_lost",
        "exact lost count",
        "exact lost count of perf events (PERF_FORMAT_LOST)",
        "about 6.0",
        _format_lost,
    ),
    Fact(
        "fdinfo",
        "fdinfo",
        "fdinfo memlock of a ring",
        "right from about 6.4",
        _ring("memlock_bytes", right="right", nothing="0", wrong="wrong"),
    ),
    Fact(
        "pending_pos",
        "pending_pos",
        "pending_pos: a walk under the ring's lock",
        "mid-2024, backported",
        _probed("ring_pending_pos"),
    ),
    Fact(
        "lock",
        "lock",
        "lock of the ring",
        "raw from about 6.12, resilient from about 6.15",
        _probed("ring_lock"),
    ),
    Fact(
        "group_dead",
        "group_dead",
        "exit tracepoint before exit_mm (group_dead)",
        "about 6.16",
        _probed("exit_group_dead"),
    ),
    Fact(
        "overwrite_pos",
        "overwrite_pos",
        "overwrite mode (overwrite_pos)",
        "about 6.19",
        _probed("ring_overwrite_pos"),
    ),
)
"""The most decisive first, then the others in the order in which kernels got them."""


def changes(rows: Sequence[KernelRow]) -> tuple[Change, ...]:
    """Return every fact that at least one row has."""
    found = (_change(fact, rows) for fact in FACTS)
    return tuple(change for change in found if any(change.states))


def _change(fact: Fact, rows: Sequence[KernelRow]) -> Change:
    states = tuple(fact.state(row.result) if row.result is not None else None for row in rows)
    last: dict[str, tuple[str, str]] = {}  # label and state
    steps = {}
    published = f" (published: {fact.published})" if fact.published else ""
    for row, state in zip(rows, states, strict=True):
        if state is None:
            continue
        # Preemption is compared within a flavour, which chooses it.
        flavour = row.flavour if fact.key == "preemption" else ""
        label, before = last.get(flavour, ("", state))
        if before != state:
            steps[row.label] = f"{clean(before)} on {clean(label)}, now {clean(state)}{published}"
        last[flavour] = row.label, state
    return Change(
        key=fact.key,
        short=fact.short,
        title=fact.title,
        published=fact.published,
        states=states,
        onsets=tuple(steps),
        steps=steps,
    )
