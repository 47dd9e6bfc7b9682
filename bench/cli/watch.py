# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench watch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from bench.cli.options import AsFormat, of_output, of_run
from bench.cli.output import answer, require_writable, say, write
from bench.host.threads import beside
from bench.linux.procfs import online_cpus

if TYPE_CHECKING:
    from bench.questions.watch.profile import WatchData
    from bench.tracer.sampler import Sampler

_ONLY = Argument(help="Only these: id or name of a map, or a PID.", metavar="[BUFFER]...")
_SECONDS = of_run(
    unit="s", within=(0, 86_400), help="Seconds to watch; 0: until Ctrl-C.", show_default=False
)
_INTERVAL = of_run(
    unit="ms",
    within=(0.1, 1_000),
    help="Time between samples; by default 1 ms, longer for perf buffers where that would take "
    "over 0.8 % of a CPU.",
    show_default=False,
)
_OUTPUT = of_output(help="Write the load over time as JSON.", metavar="FILE")
_USUAL_S = 10.0
_USUAL_MS = 1.0
_MOST_CPU = 0.008  # of one, unless an interval is given
_TABLE_CPU = 0.004  # of that, to refresh the table
_SHOWN_EVERY_S = 1.0  # or longer, if that would take more
_FIRST_SHOWN_S = 0.2  # by then there are samples


def command(
    only: Annotated[list[str] | None, _ONLY] = None,
    *,
    seconds: Annotated[float | None, _SECONDS] = None,
    interval: Annotated[float | None, _INTERVAL] = None,
    form: AsFormat = "text",
    output: Annotated[Path | None, _OUTPUT] = None,
) -> None:
    """Watch the ring buffers and perf buffers of this machine: owner, size, use.

    On a terminal a table is refreshed until Ctrl-C; otherwise the command ends after 10 s. Buffers
    are only read, through read-only mappings. --output writes the load of each over time.

    Example: bufbench watch

    Example: bufbench watch 17 --seconds 60 --output load.json
    """
    from bench.questions.watch.buffers import find, sampled
    from bench.questions.watch.document import document
    from bench.questions.watch.profile import profile, watched
    from bench.tracer.sampler import Sampler

    live = form == "text" and sys.stdout.isatty()
    length_s = seconds if seconds is not None else (0.0 if live else _USUAL_S)
    sampler = Sampler()
    inventory = find(sampler, only or ())
    if output is not None:
        require_writable(output)  # fail before watching, not after
    begun, used = time.monotonic(), time.process_time()

    def so_far() -> WatchData:
        seconds, cpu_s = time.monotonic() - begun, time.process_time() - used
        return watched(sampler, inventory, seconds=seconds, cpu_s=cpu_s)

    table = _table(so_far) if live else None
    with sampled(sampler, inventory, round(1e6 * (interval or _USUAL_MS))):
        begun, used = time.monotonic(), time.process_time()
        _sample(sampler, interval, length_s, table)
    data = so_far()
    if output is not None:
        from pydantic import TypeAdapter

        found = profile(
            sampler, inventory, data, release=os.uname().release, cpus=len(online_cpus())
        )
        write(output, TypeAdapter(type(found)).dump_json(found, indent=1))
        say(f"load over time: {output}")
    answer(form, [document(data)])


def _sample(
    sampler: Sampler,
    interval_ms: float | None,
    seconds: float,
    show: Callable[[Callable[[float], bool]], None] | None,
) -> None:
    """Sample in a thread until the time is over, or Ctrl-C; ``show`` a table meanwhile."""
    share = _MOST_CPU - (_TABLE_CPU if show else 0.0)
    run = partial(
        sampler.run,
        interval_ns=round(1e6 * (interval_ms or _USUAL_MS)),
        until_ns=time.monotonic_ns() + round(1e9 * (seconds or 10 * 365 * 86_400)),
        most_cpu=1.0 if interval_ms else share,
    )
    try:
        with beside(run, name="sampler", stop=sampler.stop) as sampling:
            if show is None:
                sampling.wait()
            else:
                show(sampling.wait)
    except KeyboardInterrupt:  # the usual way to end it
        if seconds:
            raise


def _table(so_far: Callable[[], WatchData]) -> Callable[[Callable[[float], bool]], None]:
    """Return a function that refreshes a table on the terminal until its argument returns true.

    The argument waits for a number of seconds, and returns whether sampling is over.
    """
    from rich.live import Live
    from rich.text import Text

    from bench.questions.watch.document import document
    from bench.report import renderers

    rendered = renderers.find("text")

    def now() -> Text:
        return Text.from_ansi(rendered(document(so_far()), data=None))

    now()  # the first call imports much, which is not a cost of watching

    def show(over: Callable[[float], bool]) -> None:
        wait_s = _FIRST_SHOWN_S
        with Live(auto_refresh=False, transient=True) as screen:
            while not over(wait_s):
                begun_s = time.thread_time()
                screen.update(now(), refresh=True)
                taken_s = time.thread_time() - begun_s
                wait_s = max(_SHOWN_EVERY_S, taken_s / _TABLE_CPU)

    return show
