# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Return trials as a table, one row each, for your own analyses: docs/journal-table.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, Final

from bench.errors import MachineUnfit
from bench.journal.schema import JournalContent
from bench.judge.load import reasons_of, state_of
from bench.judge.numbers import NUMBERS
from bench.trial.result import TrialResult

_FORMULA: Final = r"^['=+\-@\t\r\n]"
_OF_MACHINE: Final = ("hostname", "kernel_release", "cpus_online", "usable_cpus")


def rows(content: JournalContent) -> Iterator[dict[str, Any]]:
    """Yield every trial, invalid ones too; ``run`` counts from 0 in the journals' order."""
    for number, run in enumerate(content.runs):
        header = _fields(run.header, ("profile", "seed"))
        of_run = {"run": number, **_fields(run.header.machine, _OF_MACHINE), **header}
        for trial in run.trials:
            yield of_run | _of_trial(trial)


def _fields(source: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def _of_trial(trial: TrialResult) -> dict[str, Any]:
    config, neighbours = trial.config, trial.conditions.neighbours
    return {
        **_fields(trial, ("experiment", "arm", "block", "position")),
        **_fields(config, ("transport", "budget_bytes")),
        "shape": config.storm.shape.value,
        "poll": config.consumer.poll.value,
        "wake": config.producer.wake.value,
        "payload_bytes": config.producer.payload_bytes,
        "started_utc": trial.started_utc,
        "state": state_of(trial).value,
        "reasons": "; ".join(reasons_of(trial)),
        **_fields(trial.conditions, ("steal_share", "load_1m", "other_exits", "away_ns")),
        "neighbours": None if neighbours is None else ", ".join(neighbours),
        **{each.key: each.of(trial) for each in NUMBERS.values()},
        "latency_histogram": trial.latency.histogram if trial.latency is not None else None,
    }


def require_polars() -> None:
    """Raise MachineUnfit, with the remedy, if polars is not installed."""
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
    text, and before text that begins with one: removing the first one restores the text.
    """
    table = _frame(content)
    import polars as pl

    text = pl.col(pl.String)
    guarded = pl.when(text.str.contains(_FORMULA)).then(pl.lit("'") + text).otherwise(text)
    return str(table.with_columns(guarded.name.keep()).write_csv())


def parquet(content: JournalContent) -> bytes:
    """Return the table as a Parquet file, all text as it is."""
    memory = BytesIO()
    _frame(content).write_parquet(memory)
    return memory.getvalue()
