# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench trace."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

from typer import Option

from bench.errors import UsageError
from bench.escape import clean_name
from bench.linux import procfs
from bench.tracer.transports import names

if TYPE_CHECKING:
    from bench.record.layout import CapturedRecord

_LONGEST_S: Final = 1e9  # about 30 years
_PATIENCE_S: Final = 0.8  # after Ctrl-C, for a reader of the output; signals.py waits 1.5
_CORE: Final = 0x80  # of a wait status: the core was dumped
_OUTSIDE: Final = "bufbench: processes outside this PID namespace are shown with PID 0"
_HEADING: Final = f"{'TIME':<12} {'PID':>7} {'PPID':>7} {'EXIT_CODE':<15} {'DURATION':>12} COMM"


_TRANSPORT = Option(help=f"{', '.join(names())}.")
_BUDGET = Option(help="Data bytes over all buffers; 8MiB or just below by default.")
_DURATION = Option(help="Seconds to trace; until Ctrl-C by default.")


def command(
    *,
    transport: Annotated[str, _TRANSPORT] = "ringbuf",
    budget: Annotated[str | None, _BUDGET] = None,
    as_json: Annotated[bool, Option("--json", help="One JSON document a line.")] = False,
    pid: Annotated[int | None, Option(help="Only this process.")] = None,
    comm: Annotated[str | None, Option(help="Only processes of this name.")] = None,
    duration: Annotated[float | None, _DURATION] = None,
) -> None:
    """Show every process that exits: when, which, whose child, how, after how long.

    A killed process shows its signal's name. At the end stderr says how many exits were delivered,
    lost for lack of space, and missed because the kernel skipped the tracer. PIDs are those of the
    caller's PID namespace, 0 for others.

    Example: bufbench trace --comm make --duration 60
    """
    from bench.cli.showing import Showing
    from bench.plan import budgets
    from bench.tracer import live

    if duration is not None and not 0 < duration <= _LONGEST_S:
        raise UsageError(
            f"--duration {duration:g} is out of range", remedy=f"take up to {_LONGEST_S:g} seconds"
        )
    if pid is not None and pid < 1:
        raise UsageError(f"--pid {pid} is no process", remedy="take 1 or more")
    asked: KeyboardInterrupt | None = None
    with live.opened(transport, None if budget is None else budgets.parse(budget)) as tracer:
        shown = Showing(
            tracer,
            _filter(pid, comm),
            _json_line if as_json else _text_line,
            "" if as_json else f"{_HEADING}\n",
        )
        if procfs.pid_namespace() not in (None, procfs.INITIAL_PID_NAMESPACE):
            print(_OUTSIDE, file=sys.stderr, flush=True)
        try:
            with tracer.attached():
                shown.start()
                shown.wait(duration)
            unshown = shown.finish()
        except KeyboardInterrupt as interrupt:
            asked = interrupt
            unshown = shown.finish(_PATIENCE_S)
        tally = tracer.tally()
    counts = f"{tally.delivered} delivered, {tally.lost} lost, {tally.missed} missed"
    if unshown:
        counts += f"; {unshown} delivered are not shown, since the output was not read"
    if asked:
        asked.args = (counts,)
        raise asked
    print(counts, file=sys.stderr, flush=True)


def _filter(pid: int | None, comm: str | None) -> Callable[[CapturedRecord], bool]:
    name = None if comm is None else os.fsencode(comm)[:15]  # as the kernel cuts it

    def wanted(record: CapturedRecord) -> bool:
        return (pid is None or record.pid == pid) and (name is None or _name(record) == name)

    return wanted


def _name(record: CapturedRecord) -> bytes:
    return record.comm.split(b"\0", 1)[0]


def _text_line(record: CapturedRecord, time_ns: int) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(time_ns // 10**9))
    millis = time_ns // 10**6 % 1000
    return (
        f"{clock}.{millis:03} {record.pid:>7} {record.parent_pid:>7} {_status(record.status):<15} "
        f"{record.duration_ns / 1e6:>9.3f} ms {clean_name(_name(record))}\n"
    )


def _json_line(record: CapturedRecord, time_ns: int) -> str:
    code, killer = record.status >> 8 & 0xFF, record.status & 0x7F
    fields = {
        "time_ns": time_ns,
        "pid": record.pid,
        "ppid": record.parent_pid,
        "exit_code": None if killer else code,
        "signal": _signal_name(killer) if killer else None,
        "core_dumped": bool(record.status & _CORE),
        "duration_ns": record.duration_ns,
        "comm": clean_name(_name(record)),
        "cpu": record.cpu,
    }
    return json.dumps(fields) + "\n"


def _status(status: int) -> str:
    killer = status & 0x7F
    if not killer:
        return str(status >> 8 & 0xFF)
    return _signal_name(killer) + (" (core)" if status & _CORE else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"SIG{number}"
