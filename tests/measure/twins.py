# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compute metrics by brute force: plain Python over rows, slow and easy to believe."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import pairwise

from bench.measure.ordering import Ordering
from bench.record.records import Flag, Records


def nearest_rank(values: Iterable[int], permille: int) -> int:
    """Return the least value that ``permille`` thousandths or more do not exceed; 0 without any."""
    ascending = sorted(values)
    for place, value in enumerate(ascending, start=1):
        if place * 1000 >= permille * len(ascending):
            return value
    return 0


def order_of(records: Records) -> Ordering:
    """Compute ``ordering.examine``, one row after another."""
    rows = [dict(zip(records.dtype.names, row.tolist(), strict=True)) for row in records]
    rows = [row for row in rows if row["flags"] & Flag.OWN] or rows
    pairs, violations = _causal([row for row in rows if not row["flags"] & Flag.REPEAT])
    by_time = sorted(range(len(rows)), key=lambda index: rows[index]["timestamp_ns"])
    place_of = {index: place for place, index in enumerate(by_time)}
    lateness, displacement = [], []
    latest = -1
    for index, row in enumerate(rows):
        if row["timestamp_ns"] < latest:
            lateness.append(latest - row["timestamp_ns"])
            displacement.append(max(index - place_of[index], 0))
        latest = max(latest, row["timestamp_ns"])
    window_ns = max(lateness, default=0)
    held = _held(rows, window_ns)
    return Ordering(
        causal_pairs=pairs,
        causal_violations=violations,
        inversions=len(lateness),
        lateness_p50_ns=nearest_rank(lateness, 500),
        lateness_p99_ns=nearest_rank(lateness, 990),
        lateness_max_ns=window_ns,
        displacement_p50=nearest_rank(displacement, 500),
        displacement_p99=nearest_rank(displacement, 990),
        displacement_max=max(displacement, default=0),
        window_ns=window_ns,
        window_events=max(displacement, default=0),
        window_cost_p50_ns=nearest_rank(held, 500),
        window_cost_p99_ns=nearest_rank(held, 990),
    )


def through_heap(timestamps: Sequence[int], held: int) -> list[int]:
    """Return what comes out of a heap that holds ``held`` events back."""
    heap: list[int] = []
    out = []
    for timestamp in timestamps:
        heapq.heappush(heap, timestamp)
        if len(heap) > held:
            out.append(heapq.heappop(heap))
    return out + [heapq.heappop(heap) for _ in range(len(heap))]


def through_window(timestamps: Sequence[int], window_ns: int) -> list[int]:
    """Return what comes out when each waits until one ``window_ns`` younger has come."""
    waiting: list[int] = []
    out = []
    latest = -1
    for timestamp in timestamps:
        heapq.heappush(waiting, timestamp)
        latest = max(latest, timestamp)
        while waiting and waiting[0] + window_ns <= latest:
            out.append(heapq.heappop(waiting))
    return out + [heapq.heappop(waiting) for _ in range(len(waiting))]


def _causal(rows: list[dict[str, int]]) -> tuple[int, int]:
    parents: dict[tuple[int, int], int] = {}
    for index, row in enumerate(rows):
        if row["flags"] & Flag.NO_CHILDREN:
            parents.setdefault((row["pid"], row["start_ns"]), index)
    pairs = violations = 0
    for index, row in enumerate(rows):
        parent = parents.get((row["parent_pid"], row["parent_start_ns"]))
        if parent is not None:
            pairs += 1
            violations += parent < index
    return pairs, violations


def _held(rows: list[dict[str, int]], window_ns: int) -> list[int]:
    if not window_ns:
        return []
    held = []
    for index, row in enumerate(rows):
        release = rows[-1]["delivered_ns"]
        latest = max(earlier["timestamp_ns"] for earlier in rows[: index + 1])
        if latest >= row["timestamp_ns"] + window_ns:
            release = row["delivered_ns"]
        else:
            for later in rows[index + 1 :]:
                if later["timestamp_ns"] >= row["timestamp_ns"] + window_ns:
                    release = later["delivered_ns"]
                    break
        held.append(release - row["delivered_ns"])
    return held


def rounds(records: Records) -> list[int]:
    """Return where a consumer that reads buffers in turn began again, as far as times tell."""
    begins: list[int] = []
    visit_ns = 0
    for index, row in enumerate(records):
        stamp, cpu = int(row["timestamp_ns"]), int(row["cpu"])
        before = records[index - 1] if index else None
        if before is not None and cpu == before["cpu"] and stamp <= visit_ns:
            continue
        visit_ns = int(row["delivered_ns"])
        if before is None or cpu <= before["cpu"] or stamp > before["delivered_ns"]:
            begins.append(index)
    return begins


def released(
    records: Records, hold_ns: int, *, cpus: int, queues: bool, slowest: bool
) -> tuple[list[tuple[int, int]], int]:
    """Return which record is released after which, and when; and the most held at once."""
    stamps = [int(stamp) for stamp in records["timestamp_ns"]]
    cpu = [int(each) for each in records["cpu"]]
    delivered = [int(each) for each in records["delivered_ns"]]
    held: list[int] = []
    out: list[tuple[int, int]] = []
    clock = peak = 0

    def first() -> int:
        heads = {cpu[place]: place for place in reversed(held)}.values()
        return min(heads if queues else held, key=lambda place: (stamps[place], place))

    def release(before_ns: float, safe_ns: int = -1, now_ns: int = 0) -> None:
        nonlocal clock
        while held:
            place = first()
            due_ns = stamps[place] + hold_ns
            if due_ns >= before_ns and stamps[place] > safe_ns:
                return
            clock = max(clock, now_ns or due_ns)
            out.append((place, clock))
            held.remove(place)

    newest = dict.fromkeys(range(cpus), -1)
    for begin, end in pairwise([*rounds(records), len(records)]):
        release(delivered[begin])
        held += range(begin, end)
        peak = max(peak, len(held))
        for at in range(begin, end):
            newest[cpu[at]] = max(newest[cpu[at]], stamps[at])
        now_ns = delivered[end - 1]
        release(now_ns, min(newest.values()) if slowest else -1, now_ns)
    release(float("inf"))
    return out, peak
