# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge the boots of a kernel: what each call costs, and whether that is reproducible.

No mean is taken: a tick of the clock within a call adds thousands of instructions, at random
places. Modes are compared.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from statistics import multimode
from typing import Final

from bench.amounts import time
from bench.questions.exact.plan import EMPTY, OTHER_SEED, PERF, RUNS, SEED, Buffer, find
from bench.questions.exact.report import Counted, GuestReport, Refused
from bench.questions.exact.study import CallCount, Distribution, KernelCount

TICK: Final = 1_000
"""Instructions above the mode that show that something else ran within a call: no path of a write
is that much longer than another.
"""

_ONE_SEED: Final = "refused with one seed only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Hold what one boot left behind, its report parsed."""

    console: bytes
    report: bytes
    read: GuestReport | None
    problem: str = ""  # why there is no report


def judge(
    label: str, release: str, origin: str, boots: Sequence[Seen], *, again: bool = True
) -> KernelCount:
    """Return the counts of a kernel from its boots with SEED, OTHER_SEED and SEED again.

    The boots after the first may be missing; then nothing is reproducible, unless ``again`` is
    False.
    """
    lost = KernelCount(label=label, release=release, origin=origin)
    first = boots[0]
    if first.read is None:
        return replace(lost, reason=first.problem)
    try:
        calls = tuple(_calls(first.read, boots[1].read if len(boots) > 1 else None))
        empty = _empty(first.read)
    except ValueError as error:
        return replace(lost, reason=str(error))
    if again and (unlike := _unlike(boots)):
        calls = tuple(replace(each, reproducible=False, why=unlike) for each in calls)
    facts = first.read.facts
    return replace(
        lost,
        release=facts.get("release", release),
        machine=facts.get("machine", ""),
        jit=facts.get("jit") in ("1", "2"),
        clock=facts.get("clock", ""),
        sha256=hashlib.sha256(first.console + first.report).hexdigest(),
        empty=empty,
        calls=calls,
    )


def _calls(boot: GuestReport, other: GuestReport | None) -> Iterator[CallCount]:
    """Yield all calls of a boot, each compared with that of another seed."""
    page = int(boot.facts["page"])
    empty, other_empty = _empty(boot), _empty(other) if other else 0
    others = {(each.name, each.bytes): each for each in other.calls} if other else {}
    for one in boot.calls:
        if one.name == EMPTY:
            continue
        two = others.get((one.name, one.bytes))
        found: tuple[Distribution, ...] = ()
        if isinstance(one, Refused):
            unlike = "" if two in (None, one) else _ONE_SEED
            why = unlike or one.reason
        else:
            found = (_distribution(one, SEED, empty, page),)
            if isinstance(two, Counted):
                found = (*found, _distribution(two, OTHER_SEED, other_empty, page))
            first, last = found[0], found[-1]
            modes = f"{first.mode} with seed {first.seed}, {last.mode} with seed {last.seed}"
            moved = "" if first.mode == last.mode else modes
            why = unlike = _unmoved(one) or (_ONE_SEED if isinstance(two, Refused) else moved)
        yield CallCount(
            name=one.name,
            bytes=one.bytes,
            instructions=found[0].mode if found else None,
            reproducible=not unlike,
            why=why,
            distributions=found,
        )


def mode(values: Sequence[int]) -> tuple[int, int]:
    """Return the most frequent value, the least of several, and how often it occurs."""
    value = min(multimode(values))
    return value, values.count(value)


def _empty(report: GuestReport) -> int:
    """Return the instructions of the empty program; ValueError if they vary."""
    found = next((each for each in report.calls if each.name == EMPTY), None)
    if found is None or isinstance(found, Refused):
        raise ValueError(f"the empty program does not run: {found.reason if found else 'left out'}")
    value, times = mode(found.values)
    if times < RUNS // 2:
        raise ValueError(
            f"the empty program took {min(found.values)} to {time(max(found.values))}: "
            "QEMU did not count instructions"
        )
    return value


def _unlike(boots: Sequence[Seen]) -> str:
    """Return why the boots of a kernel differ; "" if two with one seed agree to the byte."""
    for seed, boot in zip((OTHER_SEED, SEED), boots[1:], strict=False):
        if boot.read is None:
            return f"a boot with seed {seed} failed: {boot.problem}"
    if len(boots) < 3:
        return "booted only once with each seed"
    first, again = boots[0], boots[2]
    for what in ("report", "console"):
        one, two = getattr(first, what), getattr(again, what)
        if one != two:
            lines = zip_longest(one.splitlines(), two.splitlines())
            number = next((at for at, pair in enumerate(lines, 1) if pair[0] != pair[1]), 0)
            return f"two boots with seed {SEED} differ, first in line {number} of the {what}"
    return ""


def _unmoved(counted: Counted) -> str:
    """Return why a call did not do its job, as shown by how far it moved its buffer's position."""
    call, moved = find(counted.name, counted.bytes), counted.end - counted.begin
    if call is None:
        return "not a call of the plan"
    wanted = call.buffer is not Buffer.FULL
    if wanted and (moved % RUNS or moved < RUNS * counted.bytes):
        return f"some of {RUNS} records were refused"
    return "" if wanted or not moved else f"a full buffer took {moved} bytes"


def _distribution(counted: Counted, seed: int, empty: int, page: int) -> Distribution:
    values = [each - empty for each in counted.values]
    usual, times = mode(values)
    kinds = {"others": Counter[int](), "crossings": Counter[int](), "ticks": Counter[int]()}
    for value, crosses in zip(values[1:], _crossed(counted, page)[1:], strict=True):
        if value != usual:
            long = value >= usual + TICK
            kinds["ticks" if long else "crossings" if crosses else "others"][value] += 1
    kept = {kind: tuple(sorted(counts.items())) for kind, counts in kinds.items()}
    return Distribution(seed=seed, mode=usual, times=times, first=values[0], **kept)


def _crossed(counted: Counted, page: int) -> list[bool]:
    """Return which records cross more pages than the others do: the ring's pages are contiguous."""
    call = find(counted.name, counted.bytes)
    length = (counted.end - counted.begin) // RUNS
    if call is None or call.operation != PERF or length <= 0:
        return [False] * RUNS
    starts = [counted.begin + length * number for number in range(RUNS)]
    crossings = [(start + length) // page - start // page for start in starts]
    return [each > min(crossings) for each in crossings]
