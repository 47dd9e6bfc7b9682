# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench trace."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from bench.cli.options import TRANSPORTS, of_output, of_run, of_tracer
from bench.cli.showing import DURATIONS_S, Showing, clock_time, conclude
from bench.errors import clean_name, reject
from bench.linux import procfs
from bench.tracer.transports import names

if TYPE_CHECKING:
    from bench.record.layout import CapturedRecord

_CORE: Final = 0x80  # of a wait status: the core was dumped
_OUTSIDE: Final = "bufbench: processes outside this PID namespace are shown with PID 0"
_HEADING: Final = f"{'TIME':<12} {'PID':>7} {'PPID':>7} {'EXIT_CODE':<15} {'DURATION':>12} COMM"
_TRANSPORT = of_tracer(help=f"One of {TRANSPORTS}.", autocompletion=names)
_BUDGET = of_tracer(unit="B", help="Data bytes over all buffers; 8 MiB or just below by default.")
_DURATION = of_run(unit="s", within=DURATIONS_S, help="Seconds to trace; until Ctrl-C by default.")


def command(
    *,
    transport: Annotated[str, _TRANSPORT] = "ringbuf",
    budget: Annotated[int | None, _BUDGET] = None,
    as_json: Annotated[bool, of_output("--json", help="Print one JSON object per line.")] = False,
    pid: Annotated[int | None, of_output(help="Show only this process.")] = None,
    comm: Annotated[str | None, of_output(help="Show only processes of this name.")] = None,
    duration: Annotated[float | None, _DURATION] = None,
) -> None:
    """Show every process that exits: time, PID, parent, exit code or signal, lifetime and name.

    At the end, a line on stderr counts the exits that were delivered, lost for lack of space, and
    missed because the kernel skipped the tracer. PIDs are those of the caller's PID namespace; for
    processes outside it, 0.

    Example: bufbench trace --comm make --duration 60
    """
    from bench.tracer import live

    reject(pid is not None and pid < 1, f"--pid {pid} is not a PID", "PIDs are 1 or more")
    name = None if comm is None else os.fsencode(comm)[:15]  # as the kernel truncates it

    def wanted(record: CapturedRecord) -> bool:
        return (pid is None or record.pid == pid) and (name is None or _name(record) == name)

    with live.opened(transport, budget) as tracer:
        line = _json_line if as_json else _text_line

        def lines(records: Sequence[CapturedRecord]) -> Iterator[str]:
            offset_ns = tracer.wall_offset_ns()
            return (line(each, offset_ns) for each in records)

        shown = Showing(tracer.batch, lines, "" if as_json else f"{_HEADING}\n", wanted)
        if procfs.namespace("pid") not in (None, procfs.INITIAL_PID_NAMESPACE):
            print(_OUTSIDE, file=sys.stderr, flush=True)
        unshown, interrupt = shown.during(tracer.attached(), duration)
        tally = tracer.tally()
    counts = f"{tally.delivered} delivered, {tally.lost} lost, {tally.missed} missed"
    conclude(counts, unshown, interrupt)


@dataclass(kw_only=True)
class Exit:
    """Hold one process that exited: a line of JSON."""

    time_ns: int  # since 1970
    pid: int
    ppid: int
    exit_code: int | None
    signal: str | None
    core_dumped: bool
    duration_ns: int
    comm: str
    cpu: int


def _name(record: CapturedRecord) -> bytes:
    return record.comm.split(b"\0", 1)[0]


def _text_line(record: CapturedRecord, offset_ns: int) -> str:
    code, killer, core = _ended(record.status)
    how = f"{killer}{' (core)' * core}" if killer else str(code)
    return (
        f"{clock_time(record.timestamp_ns + offset_ns)} {record.pid:>7} {record.parent_pid:>7} "
        f"{how:<15} {record.duration_ns / 1e6:>9.3f} ms {clean_name(_name(record))}\n"
    )


def _json_line(record: CapturedRecord, offset_ns: int) -> str:
    code, killer, core = _ended(record.status)
    found = Exit(
        time_ns=record.timestamp_ns + offset_ns,
        pid=record.pid,
        ppid=record.parent_pid,
        exit_code=code,
        signal=killer,
        core_dumped=core,
        duration_ns=record.duration_ns,
        comm=clean_name(_name(record)),
        cpu=record.cpu,
    )
    return json.dumps(vars(found)) + "\n"


def _ended(status: int) -> tuple[int | None, str | None, bool]:
    """Return the exit code or the signal's name of a wait status, and whether a core was dumped."""
    core = bool(status & _CORE)
    if not (number := status & 0x7F):
        return status >> 8 & 0xFF, None, core
    try:
        return None, signal.Signals(number).name, core
    except ValueError:  # a real-time signal
        return None, f"SIG{number}", core
