# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""List the facts in which kernels differ, as each kernel shows them, and where each changed.

Fixes are backported: nothing here is derived from a version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.errors import clean
from bench.judge.memory import Worth
from bench.linux.machine import UNKNOWN
from bench.questions.kernels.rows import KernelRow, Result
from bench.questions.transports.profiles import PERFBUF, RINGBUF

State = Callable[[Result], str | None]
"""Return a fact's state; None if this journal does not record it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeData:
    """Describe one fact over all rows, as in JSON."""

    key: str
    title: str
    published: str  # since when, by version numbers; "" if that is configured
    states: tuple[str | None, ...]  # one a row
    onsets: tuple[str, ...]  # labels of rows whose state differs from the last one known


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(ChangeData):
    """Describe the same fact with its words for reports."""

    short: str  # heads a column
    steps: Mapping[str, str]  # of each onset, the states before and after


def _probed(name: str) -> State:
    return lambda result: result.machine.kernel_facts.get(name)


def _preemption(result: Result) -> str | None:
    return None if result.machine.preemption == UNKNOWN else result.machine.preemption


def _format_lost(result: Result) -> str | None:
    kinds = [t.lost_told for t in result.trials() if t.config.transport == PERFBUF]
    if not kinds:
        return None
    return "yes" if any("PERF_FORMAT_LOST" in each for each in kinds) else "no"


def _ring(key: str, right: str, nothing: str, wrong: str) -> State:
    """Return what names an instrument's worth, at the largest judged budget of a ring."""
    words = {Worth.RIGHT: right, Worth.NOTHING: nothing, Worth.WRONG: wrong}

    def state(result: Result) -> str | None:
        rings = [each for each in result.memory if each.line.transport == RINGBUF]
        return next((words[w] for each in rings[::-1] if (w := each.worths[key]) in words), None)

    return state


_FACTS: Final[Mapping[tuple[str, str], tuple[str, str, State]]] = {
    ("preemption", "preemption"): ("preemption model", "", _preemption),
    ("ring_buffer", "ring"): ("ring buffer", "5.8", _probed("ring_buffer")),
    ("memcg", "charged"): (
        "ring charged to the memory cgroup",
        "about 5.11",
        _ring("memcg_bytes", "yes", "no", "no"),
    ),
    ("format_lost", "exact lost count"): (
        "exact lost count of perf events (PERF_FORMAT_LOST)",
        "about 6.0",
        _format_lost,
    ),
    ("fdinfo", "fdinfo"): (
        "fdinfo memlock of a ring",
        "right from about 6.4",
        _ring("memlock_bytes", "right", "0", "wrong"),
    ),
    ("pending_pos", "pending_pos"): (
        "pending_pos: a walk under the ring's lock",
        "mid-2024, backported",
        _probed("ring_pending_pos"),
    ),
    ("lock", "lock"): (
        "lock of the ring",
        "raw from about 6.12, resilient from about 6.15",
        _probed("ring_lock"),
    ),
    ("group_dead", "group_dead"): (
        "exit tracepoint before exit_mm (group_dead)",
        "about 6.16",
        _probed("exit_group_dead"),
    ),
    ("overwrite_pos", "overwrite_pos"): (
        "overwrite mode (overwrite_pos)",
        "about 6.19",
        _probed("ring_overwrite_pos"),
    ),
}
"""Title, publication and state by key and column; the most decisive first, then by age."""


def changes(rows: Sequence[KernelRow]) -> Iterator[Change]:
    """Yield every fact that at least one row has."""
    for (key, short), (title, published, state_of) in _FACTS.items():
        states = tuple(state_of(row.result) if row.result is not None else None for row in rows)
        last: dict[tuple[str, str], tuple[str, str]] = {}  # label and state
        steps = {}
        since = f" (published: {published})" if published else ""
        for row, state in zip(rows, states, strict=True):
            if state is None:
                continue
            # Preemption is compared within a flavour, which sets it; all within an architecture.
            line = row.line if key == "preemption" else (row.architecture, "")
            label, before = last.get(line, ("", state))
            if before != state:
                steps[row.label] = f"{clean(before)} on {clean(label)}, now {clean(state)}{since}"
            last[line] = row.label, state
        if any(states):
            yield Change(
                key=key,
                short=short,
                title=title,
                published=published,
                states=states,
                onsets=tuple(steps),
                steps=steps,
            )
