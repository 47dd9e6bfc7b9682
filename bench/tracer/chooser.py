# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The program that gives each exit to one of two tracers, at random: bpf/duet/choose.bpf.c."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from bench.linux import bpf
from bench.plan.config import Duet
from bench.tracer.program import Build, Program

BUILD: Final = Build(variant="duet", name="choose")
_CHOICE: Final = struct.Struct("=QQ")


def set_up(chooser: Program, arms: Sequence[Program], duet: Duet, *, key: int) -> None:
    """Make ``chooser`` call ``arms``, by a hash with ``key`` (64 bits); load all of them."""
    chooser.load()
    for index, arm in enumerate(arms):
        slot = struct.pack("=I", index)
        bpf.update(chooser.map_fd("arms"), slot, struct.pack("=I", arm.load()))
    choice = _CHOICE.pack(key, duet.window_ns)
    bpf.update(chooser.map_fd("choices"), struct.pack("=I", 0), choice)
