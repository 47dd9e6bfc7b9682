# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Whether this machine has something that runs a BPF program in NMI context."""

from __future__ import annotations

import ctypes as ct
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SYS_PERF_EVENT_OPEN: Final = 298  # x86-64
_ATTR: Final = struct.Struct("=IIQQQQQIIQQQQIiQII")  # up to PERF_ATTR_SIZE_VER5
_HARDWARE, _BREAKPOINT = 0, 5  # perf_type_id
_ON_WRITE, _ON_EXECUTION = 2, 4  # HW_BREAKPOINT_W, HW_BREAKPOINT_X
_PERIOD: Final = 1_000_000
_FUNCTION: Final = "do_exit"
_WORD: Final = "jiffies_64"  # written at every tick


def source(kallsyms: Path = Path("/proc/kallsyms")) -> str:
    """What there is, or "none: " and why not: a counter, or a breakpoint on a kernel symbol.

    A breakpoint on a word that the tracer itself writes is no source: the kernel skips a program
    that hits while another one runs on the CPU (seen on 6.18).
    """
    reasons = []
    for name, attribute in _candidates(_addresses(kallsyms)):
        if isinstance(attribute, str):
            reasons.append(f"{name}: {attribute}")
            continue
        error = _refused(attribute)
        if error is None:
            return name
        reasons.append(f"{name}: {error}")
    return f"none: {'; '.join(reasons)}"


def _candidates(addresses: dict[str, int]) -> Iterator[tuple[str, bytes | str]]:
    yield "hardware counter of cycles", _attribute(_HARDWARE, period=_PERIOD)
    for words, symbol, kind in (
        ("breakpoint on execution of", _FUNCTION, _ON_EXECUTION),
        ("breakpoint on writes to", _WORD, _ON_WRITE),
    ):
        address = addresses.get(symbol)
        yield (
            f"{words} {symbol}",
            _attribute(_BREAKPOINT, period=1, kind=kind, address=address)
            if address
            else "its address is not told",
        )


def _attribute(event: int, *, period: int, kind: int = 0, address: int = 0) -> bytes:
    length = 8 if kind else 0
    return _ATTR.pack(
        event, _ATTR.size, 0, period, 0, 0, 0, 1, kind, address, length, 0, 0, 0, 0, 0, 0, 0
    )  # fmt: skip


def _refused(attribute: bytes) -> str | None:
    libc = ct.CDLL(None, use_errno=True)
    block = ct.create_string_buffer(attribute, len(attribute))
    event = int(libc.syscall(_SYS_PERF_EVENT_OPEN, block, -1, 0, -1, 8))
    if event < 0:
        return os.strerror(ct.get_errno())
    os.close(event)
    return None


def _addresses(kallsyms: Path) -> dict[str, int]:
    wanted = {_FUNCTION, _WORD}
    found: dict[str, int] = {}
    try:
        with kallsyms.open() as lines:
            for line in lines:
                address, _, rest = line.partition(" ")
                name = rest[2:].split(None, 1)[0]
                if name in wanted:
                    found[name] = int(address, 16)
    except (OSError, ValueError, IndexError):
        pass  # not told, or not in the form known: nothing to put a breakpoint on
    return found
