# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Options of size and tune that describe a load, or name a profile of `bufbench watch`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import of_storm, of_tracer, refuse

if TYPE_CHECKING:
    from bench.questions.sizing.plan import Load

_RECORD = of_tracer(
    help="Bytes of a record, or a mix: 72:15,1K:1 is 15 records of 72 to one of 1,024.",
    metavar="SIZE[:SHARE,...]",
)
_FROM = of_storm("--from", help="Profile of a load, from bufbench watch --output.", metavar="FILE")
_BUFFER = of_storm(help="Buffer of the profile; the one with most bytes by default.", metavar="ID")
_OF_PROFILE = ("rate", "burst", "record_size", "records", "seconds")

Rate = Annotated[float, of_storm(help="Exits a second; 0: as fast as possible.")]
Burst = Annotated[int, of_storm(help="Processes that exit at once, instead of --rate.")]
RecordSize = Annotated[str, _RECORD]
Records = Annotated[int, of_tracer(help="Records per exit, 1 to 1000.")]
From = Annotated[Path | None, _FROM]
Buffer = Annotated[str, _BUFFER]


def described(
    context: typer.Context,
    load: Load,
    record_size: str,
    profile: Path | None,
    buffer: str,
    *,
    most_s: float,
) -> Load:
    """Return ``load`` of such records, or the busiest ``most_s`` of a profile.

    UsageError for options that only the other way of describing a load takes.
    """
    from bench.plan import mix
    from bench.questions.sizing import plan

    if profile is None:
        refuse(context, "without --from", "buffer")
        load = plan.sending(load, mix.turns(mix.parse(record_size)))
    else:
        refuse(context, "with --from, which has it", *_OF_PROFILE)
        load = _profiled(profile, buffer, load, most_s)
    return plan.check(load)


def _profiled(profile: Path, buffer: str, load: Load, most_s: float) -> Load:
    """Return the load that a profile has, with the stall of ``load``."""
    from bench.linux import cpus
    from bench.questions.sizing import plan
    from bench.questions.watch import replay

    workers = max(2, len(cpus.usable()))
    load_seen = replay.chosen(replay.read(profile), buffer)
    found = replay.replay(load_seen, workers=workers, most_s=most_s)
    return replace(
        plan.sending(load, found.turns),
        replay=found.storm,
        records_per_exit=found.records_per_exit,
        seconds=len(found.storm.schedule) * found.storm.bin_ms / 1e3,
    )
