# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find tracefs, or mount it at the place that the kernel provides."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from bench.errors import MachineUnfit
from bench.linux import libc, lockdown, procfs, refusal

EXIT: Final = "sched:sched_process_exit"
EXIT_EVENT: Final = Path("events/sched/sched_process_exit/format")

_PLACE: Final = Path("/sys/kernel/tracing")


def exit_format(place: Path = _PLACE) -> str:
    """Return the text of the exit tracepoint's format file; mounts tracefs first if needed.

    Raises MachineUnfit where it does not exist, or is closed to this user.
    """
    path = place / EXIT_EVENT
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except PermissionError as error:
        raise MachineUnfit(
            f"{place} is closed to this user, and tracepoints are found nowhere else",
            remedy=opening(place),
        ) from error
    except OSError:
        lockdown.require_open()  # which leaves tracefs empty
    if not any(each.kind == "tracefs" and each.point == place for each in procfs.mounts()):
        _mount(place)
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise MachineUnfit(
            f"tracefs at {place} has no tracepoint {EXIT}",
            remedy="boot a kernel built with CONFIG_FTRACE and CONFIG_EVENT_TRACING",
        ) from error
    except OSError as error:
        raise refusal.refused(f"{path} cannot be read", error) from error


def number(tracepoint: str, place: Path = _PLACE) -> int:
    """Return the tracepoint's number for perf_event_open(2). OSError where it has none."""
    system, _, name = tracepoint.partition(":")
    return int((place / "events" / system / name / "id").read_text())


def readable() -> bool:
    """Return whether this process can find the exit tracepoint, where tracefs is mounted."""
    try:
        return number(EXIT) > 0
    except OSError:
        return False


def opening(place: Path = _PLACE) -> str:
    """Return the commands that would open tracefs to this user's group or process."""
    group = os.getegid() or "GROUP"  # root's own group would admit no one else
    return f"as root: mount -o remount,mode=0750,gid={group} {place}, or grant CAP_DAC_READ_SEARCH"


def _mount(place: Path) -> None:
    try:
        libc.call("mount", b"tracefs", os.fsencode(place), b"tracefs", 0, None)
    except OSError as error:
        raise refusal.refused(
            f"tracefs is not mounted and cannot be mounted at {place}",
            error,
            remedy="as root: mount -t tracefs tracefs /sys/kernel/tracing",
        ) from error
