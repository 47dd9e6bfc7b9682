# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Explain late records: where the consumer was while each waited, and what ended the wait."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bench.record.records import Records


class Why(StrEnum):
    """Name the reason why a late record waited."""

    STRANDED = "stranded"  # asleep in epoll_wait, not woken before a much later record, or the end
    UNSCHEDULED = "unscheduled"  # woken in time, but not given a CPU
    SLOW_INTERRUPT = "slow interrupt"  # woken late, though no later record came in between
    NOT_WAITING = "not waiting"  # not in epoll_wait when the record was stamped
    UNKNOWN = "unknown"  # the wait or its wake-up was not noted


class Noted(NamedTuple):
    """Note a late record's row, and the last wait of the consumer before it was delivered."""

    row: int
    entered_ns: int  # 0, as is the next: there was none
    returned_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRecord:
    """Describe one late record; all times in ns after its kernel timestamp."""

    why: Why
    latency_ns: int
    entered_ns: int | None  # epoll_wait; negative: before the record was stamped
    woken_ns: int | None  # the first wake-up of that wait; None: none noted
    returned_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Count records that waited ``threshold_ns`` or longer, by reason."""

    threshold_ns: int
    count: int
    stranded: int
    unscheduled: int
    slow_interrupt: int
    not_waiting: int
    unknown: int
    involuntary_switches: int  # of the consumer, over the whole trial
    examples: tuple[LateRecord, ...] = ()  # the stranded ones first, in the order of delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class LateFacts:
    """Hold notes of records that waited long."""

    threshold_ns: int
    count: int
    noted: Sequence[Noted]  # at most some thousand of them
    wakes_ns: Sequence[int] | None  # when the consumer was woken, in order; None: not known
    stopped_ns: int  # when the consumer was asked to end, which wakes it as well


MOST_EXAMPLES = 32


def diagnose(records: Records, facts: LateFacts, *, involuntary_switches: int) -> Late:
    """Classify late records: the consumer was not woken, it waited for a CPU, or something else."""
    found = list(_each(records, facts))
    by_reason = {why.name.lower(): sum(each.why is why for each in found) for why in Why}
    by_reason["unknown"] += facts.count - len(found)
    shown = sorted(found, key=lambda each: each.why is not Why.STRANDED)[:MOST_EXAMPLES]
    return Late(
        threshold_ns=facts.threshold_ns,
        count=facts.count,
        **by_reason,
        involuntary_switches=involuntary_switches,
        examples=tuple(shown),
    )


def _each(records: Records, facts: LateFacts) -> Iterator[LateRecord]:
    if not facts.noted:
        return
    causes_ns = sorted([*records["timestamp_ns"].tolist(), facts.stopped_ns])
    for row, entered_ns, returned_ns in facts.noted:
        stamp_ns = int(records["timestamp_ns"][row])
        later_ns = stamp_ns + facts.threshold_ns // 2
        woken_ns = _first(facts.wakes_ns or (), entered_ns, returned_ns)
        if not entered_ns or entered_ns > stamp_ns or returned_ns < stamp_ns:
            why = Why.NOT_WAITING
        elif woken_ns is None:
            why = Why.UNKNOWN
        elif woken_ns < later_ns:
            why = Why.UNSCHEDULED
        elif bisect_right(causes_ns, woken_ns) > bisect_left(causes_ns, later_ns):
            why = Why.STRANDED
        else:
            why = Why.SLOW_INTERRUPT
        yield LateRecord(
            why=why,
            latency_ns=int(records["delivered_ns"][row]) - stamp_ns,
            entered_ns=entered_ns - stamp_ns if entered_ns else None,
            woken_ns=None if woken_ns is None else woken_ns - stamp_ns,
            returned_ns=returned_ns - stamp_ns if returned_ns else None,
        )


def _first(times_ns: Sequence[int], from_ns: int, to_ns: int) -> int | None:
    """Return the first of the times within, ends included."""
    at = bisect_left(times_ns, from_ns)
    return times_ns[at] if at < len(times_ns) and times_ns[at] <= to_ns else None
