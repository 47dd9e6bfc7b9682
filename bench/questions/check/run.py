# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a tool during storms of rising rates whose processes the generator knows."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.amounts import given, seconds
from bench.errors import MachineUnfit, Say
from bench.host.threads import repeated
from bench.questions.check.lines import Reading, lines, parser
from bench.questions.check.tool import Tool
from workloads import truth
from workloads.generator import EXECUTABLE, Generator
from workloads.storm import Shape, Spawn, Storm, StormReport
from workloads.truth import Children

MOST_CHILDREN: Final = 30_000
"""Most processes of one storm: no PID may occur twice in it, and kernels wrap PIDs at 32,768."""

CHAINED_PER_S: Final = 1_000.0
_DEPTH: Final = 8
_KILL_EVERY: Final = 16  # if exits are shown, every n-th child kills itself
_PROBE_EVERY_S: Final = 0.1
_LAST_CHUNKS: Final = 64  # of its output, for the error message
_QUIET_S: Final = 0.3
_MOST_BYTES_BEHIND: Final = 8 << 20  # printed before it shows a probe
_REPORT_S: Final = 10.0
_USE_EVERY_S: Final = 0.1
_TINY: Final = EXECUTABLE.with_name("tiny")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Describe the storms of a check."""

    rates_per_s: tuple[float, ...]  # rising; a 0 at the end: as fast as possible
    seconds: float  # of each storm
    attach_s: float  # for the tool to show the first process
    settle_s: float  # for it to show the last one of a storm


@dataclass(frozen=True, slots=True, kw_only=True)
class Storming:
    """Hold one storm with the tool running."""

    rate_per_s: float  # as requested
    report: StormReport
    children: Children
    begin_ns: int
    end_ns: int  # of the time to which lines are attributed
    settled: bool  # it showed a process that was made after the storm
    cpu_s: float  # the tool's, from beginning to end
    rss_bytes: int  # the tool's, the most


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Hold all storms; the lines are in the tool's output."""

    storms: tuple[Storming, ...]
    chained: Storming | None  # of chains, whose order is known; None: losses at every rate
    attached_s: float  # until it showed the first process
    ended: str  # why no more storms were run; "": all were


def check(
    tool: Tool, reading: Reading, plan: Plan, judge: Callable[[Storming], bool], say: Say
) -> Checked:
    """Run all storms; MachineUnfit if the tool never shows a process, dies, or prints too much.

    ``judge`` returns whether the tool showed all of a storm: chains are run at the highest rate at
    which it did.
    """
    attached_s = _await_probe(tool, reading, plan.attach_s)
    if attached_s is None:
        raise _never_attached(tool, reading, plan.attach_s)
    say(f"attached after {seconds(attached_s)}")
    storms: list[Storming] = []
    chained, whole_per_s, ended = None, 0.0, ""
    try:
        for rate_per_s in plan.rates_per_s:
            found = _storm(tool, reading, plan, rate_per_s)
            storms.append(found)
            behind = "" if found.settled else "; the tool is behind"
            per_s = f"{found.report.rate_per_s:,.0f} a second"
            say(f"{len(found.children):,} processes at {per_s}{behind}")
            if judge(found) and found.settled:
                whole_per_s = max(whole_per_s, found.report.rate_per_s)
        if whole_per_s:
            rate_per_s = min(CHAINED_PER_S, whole_per_s)
            chained = _storm(tool, reading, plan, rate_per_s, Shape.CHAIN)
        tool.finish()
    except MachineUnfit as error:  # the tool died, or printed without end: keep the storms so far
        if not storms:
            raise
        ended = str(error)
    return Checked(storms=tuple(storms), chained=chained, attached_s=attached_s, ended=ended)


def _storm(
    tool: Tool, reading: Reading, plan: Plan, rate_per_s: float, shape: Shape = Shape.STORM
) -> Storming:
    wanted = round(rate_per_s * plan.seconds) if rate_per_s else MOST_CHILDREN
    storm = Storm(
        shape=shape,
        count=min(MOST_CHILDREN, max(_DEPTH, wanted)),
        spawn=Spawn.FORK,
        rate_per_s=rate_per_s,
        depth=_DEPTH,
        execute=reading.execs,
        exit_code=None,
        seconds=plan.seconds if rate_per_s == 0 else 4 * plan.seconds,
        timed=rate_per_s == 0,
    )
    kill_every = 0 if reading.execs else _KILL_EVERY
    with truth.kept(storm.count, kill_every=kill_every) as kept, _use(tool) as use:
        begin_ns = time.monotonic_ns()
        with Generator(storm, truth=kept) as generator:
            generator.go()
            report = generator.wait(storm.seconds + _REPORT_S)
        settled = _await_probe(tool, reading, plan.settle_s) is not None
        _await_quiet(tool, plan.settle_s)
        children = kept.children()
    return Storming(
        rate_per_s=rate_per_s,
        report=report,
        children=children,
        begin_ns=begin_ns,
        end_ns=time.monotonic_ns(),
        settled=settled,
        cpu_s=use[0],
        rss_bytes=int(use[1]),
    )


def _await_probe(tool: Tool, reading: Reading, limit_s: float) -> float | None:
    """Make processes until the tool shows one of them; return how long it took, else None.

    Its output is parsed only here, while no storm runs.
    """
    begun, parse, probes = time.monotonic(), parser(reading), set[int]()
    place, before = len(tool.output.printed), tool.output.bytes_read
    while (waited := time.monotonic() - begun) < limit_s:
        probes.add(_probe())
        time.sleep(_PROBE_EVERY_S)
        tool.check_alive(before + _MOST_BYTES_BEHIND)
        text = b"".join(text for _, text in tool.output.printed[place:])
        written = re.compile("|".join(map(str, probes)))  # most lines show other processes
        for line in text.decode(errors="replace").splitlines():
            if written.search(line) and (found := parse(0, line)) and found.pid in probes:
                return waited
    return None


def _await_quiet(tool: Tool, limit_s: float) -> None:
    """Wait until the tool has printed nothing for a while."""
    begun, count = time.monotonic(), -1
    while time.monotonic() - begun < limit_s and count != len(tool.output.printed):
        count = len(tool.output.printed)
        time.sleep(_QUIET_S)


def _never_attached(tool: Tool, reading: Reading, limit_s: float) -> MachineUnfit:
    """Return the error that no probe process appeared in the tool's lines."""
    within, name = f"within {given(limit_s, 's')}", tool.command[0]
    printed = [line for _, line in lines(tool.output.printed[-_LAST_CHUNKS:])]
    if not printed:
        words = tool.output.last_words()
        reason = f": {words}" if words else ""
        return MachineUnfit(
            f"{name} printed no line {within}{reason}",
            remedy="raise --attach-timeout if it takes longer to start",
        )
    if not any(map(partial(parser(reading), 0), printed)):
        return MachineUnfit(
            f"{name} printed no line with a PID {within}, the last: {printed[-1].strip()[:120]}",
            remedy="describe its lines with --pid-pattern or --pid-key",
        )
    return MachineUnfit(
        f"{name} showed processes {within}, but not the probes that bufbench made for it",
        remedy="let it show all processes, in this PID namespace",
    )


def _probe() -> int:
    """Make a process that execs and ends at once; return its PID."""
    child = subprocess.Popen((_TINY, "0"), stdin=subprocess.DEVNULL, env={})
    child.wait()
    return child.pid


@contextmanager
def _use(tool: Tool) -> Iterator[list[float]]:
    """Yield a list that is filled on leaving: the tool's CPU seconds and peak resident bytes."""
    found = [0.0, 0.0]
    before_s, _ = tool.use()

    def look() -> None:
        cpu_s, rss_bytes = tool.use()
        found[:] = cpu_s - before_s, max(found[1], rss_bytes)

    with repeated(look, _USE_EVERY_S, name="use"):
        yield found
    look()
