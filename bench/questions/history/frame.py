# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Return the numbers of one journal as rows: one for each number of each run in it.

A row names its run and the file from which it was read. A journal without any number has one row,
whose ``number`` is null, so that it need not be read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any, Final

import polars as pl

from bench.journal.distinct import header_id
from bench.journal.reader import read_journal
from bench.journal.schema import Fault, JournalContent, Run
from bench.linux.machine import Machine
from bench.plan.experiments import ArmName
from bench.questions.kernels import profile as matrix
from bench.questions.transports.measures import measures
from bench.questions.transports.summary import Summary, compare_journals
from bench.questions.transports.words import cpus_words
from bench.report.document import Measure

FILE: Final = {
    "judge": pl.String,  # digest of the code that made the row
    "path": pl.String,  # below the folder that was searched
    "size_bytes": pl.Int64,
    "mtime_ns": pl.Int64,
    "ctime_ns": pl.Int64,
    "sha256": pl.String,
    "fault": pl.String,  # the part that could not be read
}
RUN: Final = {
    "run": pl.String,  # digest shared by a run and its copies
    "started_s": pl.Int64,  # since 1970, UTC
    "trials": pl.Int64,
    "hostname": pl.String,
    "kernel": pl.String,  # release and preemption model
    "kind": pl.String,  # of machine
}
MEASURE: Final = {
    "asked": pl.String,  # digest of the configurations: numbers of others are not comparable
    "key": pl.String,
    "number": pl.String,
    "labels": pl.String,  # JSON
    "transport": pl.String,  # that it is of
    "name": pl.String,
    "unit": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "more_is_better": pl.Boolean,
}
_TAKEN: Final = MEASURE.keys() - {"asked", "labels", "transport"}
SCHEMA: Final = pl.Schema(FILE | RUN | MEASURE)


def rows_of(journal: Path, of_file: Mapping[str, Any]) -> pl.DataFrame:
    """Judge every run of a journal by itself; ``of_file`` has the columns of the file.

    JournalError if it cannot be read.
    """
    content = read_journal(journal)
    faults = [str(replace(each, path=journal.name)) for each in content.faults]
    rows = []
    for run in content.runs:
        started_s = _seconds(run.header.started_utc)
        if started_s is None:
            fault = Fault(path=journal.name, line=1, reason="a run's start is not a time; left out")
            faults.append(str(fault))
        else:
            rows += list(_rows(run, started_s))
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    given = {**of_file, "fault": f"{faults[0]}{more}" if faults else None}
    made = [{k: _utf8(v) for k, v in (given | row).items()} for row in rows or [{}]]
    return pl.DataFrame(made, schema=SCHEMA)


def _utf8(value: Any) -> Any:
    """Return text as valid UTF-8, which names of files need not be."""
    return value.encode("utf-8", "backslashreplace").decode() if type(value) is str else value


def _seconds(started_utc: str) -> int | None:
    try:
        found = datetime.fromisoformat(started_utc)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return int(found.astimezone(UTC).timestamp())  # OverflowError where UTC has no such year
    except (ValueError, OverflowError):
        return None


def _rows(run: Run, started_s: int) -> Iterator[dict[str, Any]]:
    machine = run.header.machine
    of_run = {
        "run": _digest(header_id(run.header)),
        "started_s": started_s,
        "trials": len(run.trials),
        "hostname": machine.hostname,
        "kernel": f"{machine.kernel_release} ({machine.preemption})",
        "kind": kind(machine),
    }
    for summary in compare_journals(JournalContent(runs=(run,), faults=())):
        for each in filter(lambda found: isfinite(found.value), measures(summary)):
            yield of_run | {
                **{name: getattr(each, name) for name in _TAKEN},
                "asked": _asked(summary, each),
                "labels": json.dumps(each.labels),
                "transport": _transport(each),
            }


def kind(machine: Machine) -> str:
    """Describe a machine by everything its numbers depend on, except its kernel."""
    where = machine.hypervisor
    held = ", idle CPUs kept shallow" if machine.idle_held else ""
    return f"{cpus_words(machine)} ({machine.cpu_model}), virtualisation {where}{held}"


def _transport(measure: Measure) -> str:
    labels = dict(measure.labels)
    arm = labels.get("arm")
    return arm.transport if isinstance(arm, ArmName) else labels.get("transport", "")


def _asked(summary: Summary, measure: Measure) -> str:
    """Return a digest of the configurations behind a number, without what depends on the machine.

    Storms of the matrix profile are sized by the speed of their guest.
    """
    labels = dict(measure.labels)
    named = {labels.get("arm"), labels.get("against")}
    sized = matrix.NAME in summary.profiles
    found = set()
    for arm in summary.arms(labels["experiment"]).values():
        if arm.name in named or arm.name.transport == labels.get("transport"):
            for config in arm.configs:
                storm = replace(config.storm, seed=0, workers=0, cpus=())
                storm = replace(storm, count=0, rate_per_s=0.0) if sized else storm
                bare = asdict(replace(config, budget_bytes=0, storm=storm))
                found.add(json.dumps(bare, sort_keys=True, default=str))
    return _digest("".join(sorted(found)))


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
