# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare what a tool showed with the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from math import inf
from operator import attrgetter
from typing import Final

import numpy as np

from bench.errors import GateFailed, UsageError
from bench.questions.check.lines import Reading, Shown, lines, lost_in, parser
from bench.questions.check.run import Checked, Storming
from bench.questions.check.tool import Output

_GATED: Final = {
    "silent": "missing and not reported",
    "missing": "missing",
    "twice": "shown again",
    "wrong": "shown with a wrong PID, parent, code or signal",
    "order": "shown before the child that they reaped",
}
GATES: Final = tuple(_GATED)
"""The values of --fail-on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Hold one storm: the truth, and what the tool showed of it."""

    rate_per_s: float  # actual
    asked_per_s: float  # 0: as fast as they can
    processes: int
    seen: int  # at least once
    twice: int  # lines beyond the first of a process
    reported: int  # of those missing, as many as it reported as lost
    silent: int  # of those missing, the others
    wrong_pid: int  # lines with a parent of the storm, which never had a child of that PID
    wrong_parent: int
    wrong_status: int  # exit code or signal
    settled: bool  # it showed a process made after the storm, in time
    delay_p50_ms: float | None  # from reaping to the line; None: nothing was seen
    delay_p99_ms: float | None
    delay_max_ms: float | None
    cpu_share: float  # of one CPU, the tool's own
    rss_bytes: int

    @property
    def missing(self) -> int:
        """Count the processes that it never showed."""
        return self.processes - self.seen

    @property
    def wrong(self) -> int:
        """Count the wrong values shown for processes."""
        return self.wrong_pid + self.wrong_parent + self.wrong_status

    @property
    def whole(self) -> bool:
        """Return whether every process was shown."""
        return not self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Count order in chains of processes, each of which ends after the one that it made."""

    rate_per_s: float
    pairs: int  # of which both were shown
    reversed: int  # whose parent's line came first


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Hold the result of all storms."""

    rungs: tuple[Rung, ...]
    order: Order | None
    attached_s: float
    ended: str  # why no more storms were run; "": all were

    @property
    def whole_to(self) -> Rung | None:
        """Return the fastest storm up to which it showed every process."""
        whole = [*takewhile(attrgetter("whole"), self.rungs)]
        return whole[-1] if whole else None

    @property
    def loses_from(self) -> Rung | None:
        """Return the slowest storm of which it missed a process."""
        return next((rung for rung in self.rungs if not rung.whole), None)


def judge(checked: Checked, output: Output, reading: Reading) -> Verdict:
    """Judge each storm by what the tool had printed when the next one began.

    Losses that it reports only when it ends may have occurred in any of them.
    """
    rungs = [rung(each, output, reading) for each in checked.storms]
    begin_ns = max(each.end_ns for each in (*checked.storms, checked.chained) if each is not None)
    late = _reported(output, reading, begin_ns)
    for index, each in enumerate(rungs):
        reported = min(late, each.silent)
        silent = each.silent - reported
        rungs[index] = replace(each, reported=each.reported + reported, silent=silent)
        late -= reported
    return Verdict(
        rungs=tuple(rungs),
        order=None if checked.chained is None else order(checked.chained, output, reading),
        attached_s=checked.attached_s,
        ended=checked.ended,
    )


def rung(storm: Storming, output: Output, reading: Reading) -> Rung:
    """Judge one storm."""
    shown = _shown(storm, output, reading)
    children = defaultdict(list)  # several of one PID, in the order in which they were reaped
    for child in np.sort(storm.children, order="reaped_ns"):
        children[int(child["pid"])].append(child)
    own = defaultdict(list)
    for each in shown:
        if each.pid in children:
            own[each.pid].append(each)
    seen = [pair for pid, lines in own.items() for pair in zip(children[pid], lines, strict=False)]
    parents = {*storm.children["parent"].tolist()}
    missing = len(storm.children) - len(seen)
    reported = min(missing, _reported(output, reading, storm.begin_ns, storm.end_ns))
    delays_ms = [(each.came_ns - int(child["reaped_ns"])) / 1e6 for child, each in seen]
    p50, p99, most = np.percentile(delays_ms, (50, 99, 100)) if delays_ms else (None,) * 3
    length_s = (storm.end_ns - storm.begin_ns) / 1e9
    return Rung(
        rate_per_s=storm.report.rate_per_s,
        asked_per_s=storm.rate_per_s,
        processes=len(storm.children),
        seen=len(seen),
        twice=sum(map(len, own.values())) - len(seen),
        reported=reported,
        silent=missing - reported,
        wrong_pid=sum(each.parent in parents and each.pid not in children for each in shown),
        wrong_parent=sum(each.parent not in (None, child["parent"]) for child, each in seen),
        wrong_status=sum(each.status not in (None, child["status"]) for child, each in seen),
        settled=storm.settled,
        delay_p50_ms=p50,
        delay_p99_ms=p99,
        delay_max_ms=most,
        cpu_share=storm.cpu_s / length_s,
        rss_bytes=storm.rss_bytes,
    )


def order(storm: Storming, output: Output, reading: Reading) -> Order:
    """Count the parents that were shown before the child that they reaped.

    Those that share a PID are left out.
    """
    shown = _shown(storm, output, reading)
    place = {each.pid: -index for index, each in enumerate(reversed(shown))}
    made = Counter(storm.children["pid"].tolist())
    pairs = [
        (place[child], place[parent])
        for child, parent in storm.children[["pid", "parent"]].tolist()
        if made[child] == made[parent] == 1 and child in place and parent in place
    ]
    return Order(
        rate_per_s=storm.report.rate_per_s,
        pairs=len(pairs),
        reversed=sum(parent < child for child, parent in pairs),
    )


def parse_gates(names: Iterable[str]) -> tuple[str, ...]:
    """Return the gates; UsageError, with all names, for another word."""
    found = [word.strip() for each in names for word in each.split(",")]
    for word in found:
        if word not in GATES:
            raise UsageError(f"no gate {word[:40]!r}", remedy=f"choose from {', '.join(GATES)}")
    return tuple(dict.fromkeys(found))


def check_gates(gates: Sequence[str], verdict: Verdict) -> None:
    """Raise GateFailed, with the count of each gate that failed."""
    counts = {
        gate: sum(getattr(each, gate) for each in verdict.rungs)
        for gate in GATES
        if gate != "order"
    }
    counts["order"] = verdict.order.reversed if verdict.order else 0
    failed = [f"{counts[gate]:,} {_GATED[gate]}" for gate in gates if counts[gate]]
    if "order" in gates and not (verdict.order and verdict.order.pairs):
        failed.append("order was not measured, since no parent and its child were shown")
    if failed:
        raise GateFailed(f"gate failed: {'; '.join(failed)}")


def _shown(storm: Storming, output: Output, reading: Reading) -> list[Shown]:
    """Return what was shown during a storm.

    Of a child with a line that names its parent, lines with another parent are left out: its PID
    was given to another process before or after it.
    """
    parse = parser(reading)
    within = lines(output.printed, storm.begin_ns, storm.end_ns)
    shown = [found for each in within if (found := parse(*each)) is not None]
    children = {*storm.children[["pid", "parent"]].tolist()}
    right = [(each.pid, each.parent) in children for each in shown]
    known = {each.pid for each, fits in zip(shown, right, strict=True) if fits}
    return [each for each, fits in zip(shown, right, strict=True) if fits or each.pid not in known]


def _reported(output: Output, reading: Reading, begin_ns: int, end_ns: float = inf) -> int:
    return sum(
        lost_in(reading, line)
        for stream in (output.printed, output.said)
        for _, line in lines(stream, begin_ns, end_ns)
    )
