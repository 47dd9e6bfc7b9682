# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show the fleet on stderr: a live table on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.amounts import counted, duration
from bench.errors import in_a_line
from bench.fleet.roster import Roster, Row, State

Show = Callable[[Roster], None]


def doing(row: Row) -> str:
    """Return in words what a machine does, or what became of its task."""
    done = ""
    if row.state is State.RUNNING and row.progress is not None and row.progress.planned:
        done = f"{row.progress.trials} of {counted(row.progress.planned, 'trial')}"
    return in_a_line(", ".join(filter(None, (row.state, done, row.reason, *row.notes))))


def left(row: Row) -> str:
    """Return how long it still takes; "" if unknown."""
    seconds = row.progress.left_s if row.progress is not None else None
    return duration(seconds) if seconds is not None and row.state is State.RUNNING else ""


@contextmanager
def shown() -> Iterator[Show]:
    """Yield a function to call with the roster each time that it may have changed."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _lines()
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda roster: live.update(_table(roster), refresh=True)


def _lines() -> Show:
    said: dict[str, tuple[State, str, str]] = {}

    def show(roster: Roster) -> None:
        for row in roster.rows.values():
            what = (row.state, row.machine, row.reason)
            if said.get(row.name) != what:
                said[row.name] = what
                print(f"{in_a_line(row.name)}: {doing(row)}", file=sys.stderr, flush=True)

    return show


def _table(roster: Roster) -> Table:
    table = Table("machine", "type", "what it does", "left", box=None, pad_edge=False)
    for row in roster.rows.values():
        kind = "" if row.facts is None else row.facts.type
        cells = (in_a_line(row.name), in_a_line(kind), doing(row), left(row))
        table.add_row(*map(Text, cells))
    return table
