# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read the capabilities of this process, and drop some.

Source: include/uapi/linux/capability.h, capabilities(7).
"""

from __future__ import annotations

import ctypes as ct
import os
import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from bench.linux import libc, procfs

_VERSION_3: Final = 0x20080522
_PR_SET_KEEPCAPS: Final = 8
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_DUMPABLE: Final = 4


class Capability(IntEnum):
    """Name the capabilities that matter to bufbench, by their bit."""

    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    KILL = 5
    SETGID = 6
    SETUID = 7
    IPC_LOCK = 14
    SYS_ADMIN = 21
    SYS_RESOURCE = 24
    SYSLOG = 34
    PERFMON = 38  # Linux 5.8, as is the next
    BPF = 39

    def __str__(self) -> str:
        return f"CAP_{self.name}"


def held() -> frozenset[Capability]:
    """Return the capabilities of this process."""
    mask = procfs.parse_capabilities(procfs.read(procfs.PROC / "self/status") or "")
    return frozenset(each for each in Capability if mask >> each & 1)


def missing_to_trace(held: frozenset[Capability]) -> tuple[Capability, ...]:
    """Return the capabilities that a tracer lacks; CAP_SYS_ADMIN includes both."""
    if Capability.SYS_ADMIN in held:
        return ()
    return tuple(each for each in (Capability.BPF, Capability.PERFMON) if each not in held)


def keep_only(kept: Iterable[Capability], *, ids: tuple[int, int] | None) -> None:
    """Keep only these capabilities, and become that user and group if any are given.

    Cannot be undone. OSError if a kept capability is not held.
    """
    if ids is not None:
        _set(_PR_SET_KEEPCAPS)  # otherwise changing the user drops all capabilities
        user, group = ids
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    mask = sum(1 << each for each in set(kept))
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = ct.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0))
    sets = ct.create_string_buffer(struct.pack("=6I", low, low, 0, high, high, 0))
    libc.call("capset", header, sets)
    _set(_PR_SET_NO_NEW_PRIVS)
    # The change of user made /proc/self root's; make it this user's again.
    _set(_PR_SET_DUMPABLE)


def _set(option: int) -> None:
    libc.call("prctl", option, 1, 0, 0, 0)
