# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plan the load under which an object is measured, and the order of rounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.errors import UsageError
from bench.questions.transports.profiles import sized
from bench.tracer.object.types import Column, Form
from workloads.storm import Shape, Spawn, Storm

LONGEST_S: Final = 600.0
USUAL_STORM_S: Final = 0.25
_MOST_PER_S: Final = 200_000  # processes, more than any machine makes


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Describe the load of an object: a command, or a storm."""

    command: tuple[str, ...] = ()
    storm: Storm | None = None
    seconds: float = LONGEST_S  # a command is ended after this time
    ends: bool = False  # it is expected to run that long


def load(command: Sequence[str], *, rate_per_s: float, seconds: float | None, workers: int) -> Load:
    """Return the requested load."""
    if command:
        return Load(command=tuple(command), seconds=seconds or LONGEST_S, ends=seconds is not None)
    length_s = seconds or USUAL_STORM_S
    storm = Storm(shape=Shape.STORM, workers=workers, spawn=Spawn.VFORK, rate_per_s=rate_per_s)
    if rate_per_s:
        storm = replace(sized(storm, seconds=length_s), seconds=10 * length_s)
    else:
        most = round(_MOST_PER_S * length_s)
        storm = replace(storm, count=most, seconds=length_s, timed=True)
    return Load(storm=storm, seconds=length_s)


def order(sides: Sequence[str], blocks: int, seed: int) -> list[tuple[int, str]]:
    """Return blocks of all sides, each in random order: (block, side)."""
    generator = random.Random(seed)
    return [
        (block, side) for block in range(blocks) for side in generator.sample(sides, len(sides))
    ]


def stamp_at(columns: Sequence[Column], name: str | None) -> int:
    """Return the offset of the stamp of this name in records; -1 for none.

    UsageError if they have no such number of 64 bits.
    """
    if name is None:
        return -1
    able = [
        each for each in columns if each.form is Form.NUMBER and each.size == 8 and not each.bits
    ]
    found = next((each for each in able if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in able[:8])
        there = any(each.name == name for each in columns)
        raise UsageError(
            f"--stamp {name}: the event has no such member{' of 64 bits' if there else ''}",
            remedy=f"choose from {names}" if names else "it has no member that could be a stamp",
        )
    return found.offset
