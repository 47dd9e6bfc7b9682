# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench trace."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bench.errors import UsageError
from bench.foreign import clean_name

if TYPE_CHECKING:
    from bench.layout import CapturedRecord
    from bench.trace.live import LiveTrace

_POLL_MS: Final = 100
_LONGEST_S: Final = 1e9  # about 30 years
_CORE: Final = 0x80  # of a wait status: the core was dumped
_HEADING: Final = f"{'TIME':<12} {'PID':>7} {'PPID':>7} {'EXIT_CODE':<15} {'DURATION':>12} COMM"


def command(
    *,
    transport: Annotated[str, typer.Option(help="ringbuf, perfbuf or sharded.")] = "ringbuf",
    budget: Annotated[
        str | None, typer.Option(help="Data bytes over all buffers; 8MiB or just below by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
    pid: Annotated[int | None, typer.Option(help="Only this process.")] = None,
    comm: Annotated[str | None, typer.Option(help="Only processes of this name.")] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds to trace; until Ctrl-C by default.")
    ] = None,
) -> None:
    """Show every process that exits: when, which, whose child, how, after how long.

    A killed process shows its signal's name. At the end stderr says how many events were
    delivered, lost and missed. PIDs are those of the caller's PID namespace, 0 for others.

    Example: bufbench trace --comm make --duration 60
    """
    from bench.plan import budgets
    from bench.trace import live

    if duration is not None and not 0 < duration <= _LONGEST_S:
        raise UsageError(
            f"--duration {duration:g} is out of range", remedy=f"take up to {_LONGEST_S:g} seconds"
        )
    if pid is not None and pid < 1:
        raise UsageError(f"--pid {pid} is no process", remedy="take 1 or more")
    wanted = _filter(pid, comm)
    show = _json_line if as_json else _text_line
    asked: KeyboardInterrupt | None = None
    with live.opened(transport, None if budget is None else budgets.parse(budget)) as tracer:
        try:
            with tracer.attached():
                if not as_json:
                    print(_HEADING, flush=True)
                _follow(tracer, duration, wanted, show)
        except KeyboardInterrupt as interrupt:
            asked = interrupt
        while rest := tracer.batch(0):  # what came before the tracer was detached
            _write(filter(wanted, rest), show, tracer.wall_offset_ns())
        tally = tracer.tally()
    missed = "unknown here" if tally.missed is None else str(tally.missed)
    told = f"{tally.delivered} delivered, {tally.lost} lost, {missed} missed"
    if asked:
        asked.args = (told,)
        raise asked
    print(told, file=sys.stderr, flush=True)


def _follow(
    tracer: LiveTrace,
    duration_s: float | None,
    wanted: Callable[[CapturedRecord], bool],
    show: Callable[[CapturedRecord, int], str],
) -> None:
    end = None if duration_s is None else time.monotonic() + duration_s
    while end is None or time.monotonic() < end:
        _write(filter(wanted, tracer.batch(_POLL_MS)), show, tracer.wall_offset_ns())


def _filter(pid: int | None, comm: str | None) -> Callable[[CapturedRecord], bool]:
    name = None if comm is None else os.fsencode(comm)[:15]  # as the kernel cuts it

    def wanted(record: CapturedRecord) -> bool:
        return (pid is None or record.pid == pid) and (name is None or _name(record) == name)

    return wanted


def _write(
    records: Iterable[CapturedRecord], show: Callable[[CapturedRecord, int], str], offset_ns: int
) -> None:
    text = "".join(show(record, record.timestamp_ns + offset_ns) for record in records)
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()


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
