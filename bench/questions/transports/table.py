# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Trials as a table, one row each, for analyses of your own: docs/journal-table.md."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

from bench.errors import MachineUnfit
from bench.journal.schema import JournalContent, Run
from bench.judge.load import reasons_of, state_of
from bench.judge.numbers import NUMBERS
from bench.trial.result import TrialResult

_FORMULA: Final = r"^['=+\-@\t\r\n]"


def _row(number: int, run: Run, trial: TrialResult) -> dict[str, Any]:
    machine, neighbours = run.header.machine, trial.conditions.neighbours
    return {
        "run": number,
        "hostname": machine.hostname,
        "kernel_release": machine.kernel_release,
        "cpus_online": machine.cpus_online,
        "usable_cpus": machine.usable_cpus,
        "profile": run.header.profile,
        "seed": run.header.seed,
        "experiment": trial.experiment,
        "arm": trial.arm,
        "block": trial.block,
        "position": trial.position,
        "transport": trial.config.transport,
        "budget_bytes": trial.config.budget_bytes,
        "shape": trial.config.storm.shape.value,
        "poll": trial.config.consumer.poll.value,
        "wake": trial.config.producer.wake.value,
        "payload_bytes": trial.config.producer.payload_bytes,
        "started_utc": trial.started_utc,
        "state": state_of(trial).value,
        "reasons": "; ".join(reasons_of(trial)),
        "steal_share": trial.conditions.steal_share,
        "load_1m": trial.conditions.load_1m,
        "other_exits": trial.conditions.other_exits,
        "away_ns": trial.conditions.away_ns,
        "neighbours": None if neighbours is None else ", ".join(neighbours),
        **{each.key: each.of(trial) for each in NUMBERS.values()},
        "latency_histogram": trial.latency.histogram if trial.latency is not None else None,
    }


def rows(content: JournalContent) -> Iterator[dict[str, Any]]:
    """Yield every trial, invalid ones too; ``run`` counts from 0 in the journals' order."""
    for number, run in enumerate(content.runs):
        for trial in run.trials:
            yield _row(number, run, trial)


def require_polars() -> None:
    """Raise MachineUnfit, with the remedy, where polars is not installed."""
    from importlib.util import find_spec

    if find_spec("polars") is None:
        raise MachineUnfit(
            "tables need polars, which this installation lacks",
            remedy="./run report -- FILE --format csv installs it",
        )


def _frame(content: JournalContent) -> Any:
    require_polars()
    import polars as pl

    return pl.DataFrame(list(rows(content)), infer_schema_length=None)


def csv(content: JournalContent) -> str:
    """Return the table as CSV, with a header; an empty field is null.

    Spreadsheets run text that begins like ``=1+1`` as a formula. An apostrophe is put before such
    text, and before text that begins with one: without the first it is as it was.
    """
    import polars as pl

    text = pl.col(pl.String)
    guarded = pl.when(text.str.contains(_FORMULA)).then(pl.lit("'") + text).otherwise(text)
    return str(_frame(content).with_columns(guarded.name.keep()).write_csv())


def parquet(content: JournalContent) -> bytes:
    """Return the table as a Parquet file, all text as it is."""
    memory = BytesIO()
    _frame(content).write_parquet(memory)
    return memory.getvalue()
