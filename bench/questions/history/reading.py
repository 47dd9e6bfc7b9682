# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read any number of journals, in folders and below, judging only those that are new."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from bench.amounts import counted
from bench.errors import JournalError
from bench.journal.files import below
from bench.questions.history.cache import Cache
from bench.questions.history.frame import SCHEMA

_REPORT_S: Final = 10.0
Say = Callable[[str], None]


def read(places: Iterable[Path], say: Say) -> pl.DataFrame:
    """Return the numbers of every run, each run once; ``say`` is given what cannot be used.

    JournalError if there is no number at all.
    """
    wanted = list(places)
    if not any(place.exists() for place in wanted):
        raise JournalError(
            f"no number to follow: {wanted[0]} does not exist",
            remedy="name journals, or folders of them",
        )
    frames = [pl.DataFrame(schema=SCHEMA)]
    seen: set[Path] = set()
    for folder, journals in _journals(wanted, say):
        fresh = {path: at for path in journals if (at := path.resolve()) not in seen}
        seen |= {*fresh.values()}
        frames += _frames(folder, [*fresh], say)
    rows = pl.concat(frames)
    numbers = _once(rows.filter(pl.col("number").is_not_null()), say)
    if numbers.is_empty():
        raise JournalError(
            f"no number to follow in {', '.join(map(str, wanted))}",
            remedy="name folders of journals that hold a comparison; they end in .jsonl, .jsonl.gz",
        )
    return numbers


def _journals(places: Iterable[Path], say: Say) -> Iterator[tuple[Path, list[Path]]]:
    """Yield folders to keep a cache in, and the journals in each and below."""
    for place in places:
        if place.is_dir():
            found = below(place, say)
            if not found:
                say(f"{place} holds no journal; they end in .jsonl or .jsonl.gz")
            yield place, found
        elif place.exists():
            yield place.parent, [place]
        else:
            say(f"{place} does not exist")


def _frames(folder: Path, journals: list[Path], say: Say) -> Iterator[pl.DataFrame]:
    cache = Cache(folder)
    began_s = reported_s = time.monotonic()
    try:
        for at, path in enumerate(journals):
            now_s = time.monotonic()
            if now_s - reported_s > _REPORT_S:
                reported_s = now_s
                left_s = (now_s - began_s) / at * (len(journals) - at)
                say(f"journals read: {at:,} of {len(journals):,}; about {left_s:.0f} s left")
            try:
                known = cache.known(path)
                frame = cache.judged(path) if known is None else known
            except JournalError as error:
                say(str(error))
                continue
            if fault := frame["fault"][0]:
                say(f"{path.parent / fault}")
            yield frame
    finally:  # also of what Ctrl-C cut short
        try:
            cache.save()
        except OSError as error:
            say(f"no cache in {folder}, so that the next call takes as long: {error.strerror}")


def _once(rows: pl.DataFrame, say: Say) -> pl.DataFrame:
    """Return the rows of each run from the journal that has most of its trials."""
    runs = rows.select("run", "path", "sha256", "trials").unique(maintain_order=True)
    best = runs.sort("trials", descending=True, maintain_order=True).unique(
        "run", keep="first", maintain_order=True
    )
    if repeated := len(runs) - len(best):
        say(f"{counted(repeated, 'copy of a run', 'copies of runs')} left out")
    return rows.join(best, on=["run", "path", "sha256", "trials"], how="semi").unique(
        ["run", "asked", "key"], keep="first", maintain_order=True
    )
