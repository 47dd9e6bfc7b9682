# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read kernel lockdown: which interfaces the kernel closes even to root (Linux 5.4).

integrity forbids changing the kernel, which no tracer does. confidentiality forbids reading it,
too: BPF programs have no bpf_probe_read_kernel, and tracefs is empty, so that no tracepoint has a
number. Source: security/lockdown/lockdown.c, Documentation/admin-guide/LSM.
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.errors import MachineUnfit
from bench.linux import libc, procfs

CONFIDENTIALITY: Final = "confidentiality"
UNKNOWN: Final = "unknown"
REMEDY: Final = "boot without lockdown=confidentiality, and with Secure Boot's policy at integrity"

_PLACE: Final = procfs.SYS / "kernel/security"


def parse(text: str) -> str:
    """Return the level that securityfs shows in brackets: none, integrity or confidentiality."""
    found = re.search(r"\[([a-z_]{1,32})\]", text, re.ASCII)
    return found[1] if found else UNKNOWN


def running(place: Path = _PLACE) -> str:
    """Return the level of this kernel; "unknown" where securityfs does not report it."""
    text = procfs.read(place / "lockdown")
    if text is None and procfs.mount_point("securityfs") is None:
        text = _read_privately(place)
    return UNKNOWN if text is None else parse(text)


def require_open() -> None:
    """Raise MachineUnfit under confidentiality, where the kernel's own errors name other causes.

    tracefs looks unmounted, and a program that reads kernel memory is invalid (EINVAL).
    """
    if running() == CONFIDENTIALITY:
        raise MachineUnfit(
            "lockdown=confidentiality closes tracefs and kernel memory to BPF, also to root",
            remedy=REMEDY,
        )


def _read_privately(place: Path) -> str | None:
    """Mount securityfs in a private mount namespace and read it; None where that is not allowed.

    A mount namespace belongs to a thread, and ends with it.
    """
    found: list[str | None] = []

    def body() -> None:
        with suppress(OSError):
            libc.unshare_mounts()
            libc.call("mount", b"securityfs", bytes(place), b"securityfs", 0, None)
            found.append(procfs.read(place / "lockdown"))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return found[0] if found else None
