# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Give each exit of a duet to one of two tracers, and read how long their writes took.

The layouts are those of bpf/duet/choose.bpf.c and bpf/common/cost.h.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.plan.config import AGES, Duet
from bench.record.counters import Histogram, WriteTimes, median
from bench.tracer.build import Build
from bench.tracer.program import Program

BUILD: Final = Build(variant="duet", name="choose")
MACROS: Final = {"TIMED_WRITES": 1}
"""Of tracers that time their writes."""

_BUCKETS: Final = 288
_AGED: Final = 2 + _BUCKETS
_AGE_SLOTS: Final = 32
_WORDS: Final = _AGED + 2 * _AGE_SLOTS
_KINDS: Final = range(4)  # written, refused, no write at all, and the delay in one
_DELAYED: Final = 3


def set_up(chooser: Program, arms: Sequence[Program], duet: Duet, *, key: int) -> None:
    """Make ``chooser`` call ``arms``, by a hash with ``key`` (64 bits); load all of them."""
    chooser.load()
    for index, arm in enumerate(arms):
        chooser.set("arms", index, struct.pack("=I", arm.load()))
    chooser.set("choices", 0, struct.pack("=QQ", key, duet.window_ns))


def zero_write_times(program: Program) -> None:
    """Set the write times to zero."""
    for kind in _KINDS:
        program.zero("write_times", kind, 8 * _WORDS)


def write_times(program: Program, duet: Duet) -> WriteTimes:
    """Read how long writes took, summed over CPUs, after the program is detached."""
    written, refused, nothing = (_words(program, kind) for kind in _KINDS[:_DELAYED])
    by_age = written[_AGED:].reshape(2, _AGE_SLOTS)[:, :AGES]  # counts, and times in ns
    return WriteTimes(
        written=int(written[0]),
        written_ns=int(written[1]),
        refused=int(refused[0]),
        refused_ns=int(refused[1]),
        clock_ns=median(_histogram(nothing)),  # a mean includes every interrupt
        histogram=_histogram(written),
        by_age=tuple(zip(*by_age.tolist(), strict=True)) if duet.window_ns else (),
    )


def delays(program: Program) -> Histogram:
    """Read how long the delays of an arm with a ``delay`` really were, as ``write_times`` does.

    Only of the writes that count; on CPUs other than ``delay-cpu`` they are 0 ns.
    """
    return _histogram(_words(program, _DELAYED))


def _words(program: Program, kind: int) -> npt.NDArray[np.uint64]:
    found = np.frombuffer(program.get("write_times", kind, 8 * _WORDS), np.uint64)
    summed: npt.NDArray[np.uint64] = found.reshape(-1, _WORDS).sum(axis=0)
    return summed


def _histogram(words: npt.NDArray[np.uint64]) -> tuple[tuple[int, int], ...]:
    occupied = np.flatnonzero(words[2:_AGED]).tolist()
    return tuple((_lowest_ns(bucket), int(words[2 + bucket])) for bucket in occupied)


def _lowest_ns(bucket: int) -> int:
    """Return the least time of a bucket; there are 16 per octave, from 32 ns on."""
    octave = max(bucket // 16 - 1, 0)
    return bucket - 16 * octave << octave
