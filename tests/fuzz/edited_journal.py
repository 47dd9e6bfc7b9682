# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make journals that are whole but absurd: bytes say which values of a good one change, and how.

Bytes that are mutated at random are hardly ever a journal; these always are nearly one.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import asdict
from functools import cache
from typing import Any, Final

import made_up
import numpy as np
from made_up_trials import header, trial
from rich.console import Console

import bench.questions.claims.document as claims
import bench.questions.transports.document as transports
from bench.errors import JournalError
from bench.journal import reader
from bench.journal.schema import SCHEMA, JournalContent, RunHeader
from bench.measure.timeline import trace
from bench.questions.claims.catalogue import judge
from bench.questions.claims.document import data_of
from bench.questions.claims.evidence import of_journals
from bench.questions.transports import table
from bench.questions.transports.document import report_of
from bench.questions.transports.figures import figures
from bench.questions.transports.summary import compare_journals
from bench.report.renderers import markdown
from bench.report.renderers.json import render as render_json
from bench.report.renderers.text import show

_EDIT: Final = struct.Struct("<HHB8s")  # which trials, which value, what it becomes, of what
_WORDS: Final = (
    "ringbuf@8KiB", "perfbuf@8KiB", "perfbuf@8KiB(4KiB)", "ringbuf@8KiB#2", "none", "", "storm",
    "\x1b[31m", "[red]", "<b>", "%s%n{0}", "\u202e", "=1+1", "|", "`", "a\nb", "x" * 300,
    "ringbuf@" + "9" * 200 + "KiB", "sharded@8KiB", "\x00", "rate-default", "valid", "timed",
)  # fmt: skip
_NUMBERS: Final = (
    0, -1, 1, 2**63 - 1, -(2**63) + 1, 2**31, 10**6, 0.5, 1e-30, -1e-30, 1e18, -1e18, 1e16, 999,
)  # fmt: skip

SEEDS: Final = (
    b"",
    _EDIT.pack(0x0003, 7, 1, bytes(8)),
    _EDIT.pack(0xFFFF, 40, 3, bytes(8)) * 3,
    _EDIT.pack(0x00FF, 60, 4, struct.pack("<d", 0.25)),
)


@cache
def _lines() -> tuple[str, ...]:
    """Return a header, and trials of both transports, their twins and baselines over 8 blocks."""
    trials = [
        trial(arm, block, dropped=3 * (arm[0] == "p") + block % 2, pairs=2_000, run_ns=700)
        for block in range(8)
        for arm in ("ringbuf@8KiB", "perfbuf@8KiB", "ringbuf@8KiB#2", "noop")
    ]
    fields = [{"schema": SCHEMA, "kind": "trial", **asdict(each)} for each in trials]
    made = made_up.trial(100, transport="ringbuf", loss=0.05)
    origin_ns = int(made.records["timestamp_ns"].min())
    occupancy = np.array([[origin_ns + 1_000, 10]], np.uint64)
    fields[0]["timeline"] = asdict(trace(made.records, occupancy, origin_ns=origin_ns))
    fields[0]["occupancy"] = {
        "samples": 5, "p50_share": 0.1, "p99_share": 0.2, "max_share": 0.3,
        "consumer_idle_share": 0.4,
    }  # fmt: skip
    head = {"schema": SCHEMA, "kind": "machine", **asdict(header())}
    return tuple(json.dumps(each) for each in (head, *fields))


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return paths of all values that hold no others."""
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [place for key, each in pairs for place in _places(each, (*at, key))]
    return [at]


def _made(how: int, of: bytes, old: Any) -> Any:
    """Return what stands in the place of ``old``."""
    match how % 10:
        case 0:
            return None
        case 1:
            return _WORDS[of[0] % len(_WORDS)]
        case 2 | 3:
            return _NUMBERS[of[0] % len(_NUMBERS)]
        case 4:
            return struct.unpack("<d", of)[0]
        case 5:
            return struct.unpack("<q", of)[0]
        case 6:
            return of.decode("latin-1")
        case 7 if isinstance(old, int | float):
            return type(old)(old * (of[0] - 100) // 10)
        case 8:
            return [] if of[0] % 2 else {}
        case _:
            return not old


def edited(data: bytes) -> bytes:
    """Return the journal that ``data`` describes."""
    lines = [json.loads(each) for each in _lines()]
    places = [_places(each) for each in lines]
    whole = data[: len(data) // _EDIT.size * _EDIT.size]
    for which, place, how, of in _EDIT.iter_unpack(whole):
        for number, line in enumerate(lines):
            # One line, or all trials of one arm.
            if number == which % len(lines) or (which >> 15 and number % 4 == which >> 8 & 3):
                *path, last = places[number][place % len(places[number])]
                inside = line
                for key in path:
                    inside = inside[key]
                inside[last] = _made(how, of, inside[last])
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in lines)


def content(data: bytes) -> JournalContent:
    """Return the edited journal, read."""
    values = [reader.decode(line) for line in edited(data).splitlines()]
    runs, known = [], False
    for number, value in enumerate(values, 1):
        if isinstance(value, reader.Unusable):
            known = known and not value.loses_run
        elif isinstance(value, RunHeader) or known:
            known = True
            runs.append(reader.Line(path="made up", number=number, value=value))
    return reader.gather(runs)


def report(data: bytes) -> None:
    """Report everything on such a journal; figures are not drawn, which takes seconds."""
    found = content(data)
    if not found.trials:
        raise JournalError("nothing to report")
    summaries = compare_journals(found)
    judged = [judge(evidence) for evidence in of_journals(found)]
    paper = Console(file=io.StringIO(), width=100)
    verdicts = [claims.document(each) for each in judged]
    compared = [transports.document(each) for each in summaries]
    for each in (*compared, *verdicts):
        show(each, paper)
    for each in summaries:
        figures(each)
    said = (
        paper.file.getvalue(),  # type: ignore[attr-defined]
        markdown.render(*compared, *verdicts),
        render_json(data=report_of(*compared)),
        render_json(data=data_of(*verdicts)),
        table.csv(found),
    )
    for each in said:
        each.encode("utf-8")
    for each in said[:2]:
        assert all(char.isprintable() or char == "\n" for char in each)
