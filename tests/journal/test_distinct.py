# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a trial counts once, however often and in whatever form it was given."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_trials import header, trial

from bench.journal.distinct import without
from bench.journal.reader import as_resumed, last_run, read_journal, read_journals
from bench.journal.schema import RunHeader
from bench.journal.writer import encode
from bench.questions.claims.evidence import of_journals
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare
from bench.questions.transports.summary import compare_journals, gathered
from bench.trial.result import TrialResult

ARMS = ("ringbuf@64KiB", "perfbuf@64KiB")
TRIALS = [trial(arm, block, dropped=block) for block in range(8) for arm in ARMS]
HEADER = header()
NEW = replace(HEADER, run_id="5eed")  # as runs write it since schema 3


def text(of: RunHeader, trials: list[TrialResult]) -> bytes:
    return encode(of) + b"".join(encode(each) for each in trials)


WHOLE = text(HEADER, TRIALS)
HALF = text(HEADER, TRIALS[:7])  # ended within a block
REST = text(as_resumed(HEADER, HEADER), TRIALS[7:])


def rewritten(journal: bytes) -> bytes:
    """Return the same values in another spelling, as jq leaves them."""
    lines = [json.loads(line) for line in journal.splitlines()]
    return b"".join(json.dumps(line, sort_keys=False).encode() + b"\n" for line in lines)


TWICE: dict[str, dict[str, bytes]] = {
    "copy": {"a.jsonl": WHOLE, "b.jsonl": WHOLE},
    "compressed beside": {"a.jsonl": WHOLE, "a.jsonl.gz": gzip.compress(WHOLE)},
    "twice in a file": {"a.jsonl": WHOLE * 2},
    "trials twice in a run": {"a.jsonl": WHOLE + text(HEADER, TRIALS)[len(text(HEADER, [])) :]},
    "resumed and its earlier half": {"a.jsonl": HALF, "b.jsonl": HALF + REST},
    "earlier half last": {"a.jsonl": HALF + REST, "b.jsonl": HALF},
    "joined to its earlier half": {"a.jsonl": HALF + HALF + REST},
    "rewritten": {"a.jsonl": WHOLE, "b.jsonl": rewritten(WHOLE)},
    "overlapping parts": {
        "a.jsonl": text(HEADER, TRIALS[:10]),
        "b.jsonl": text(HEADER, TRIALS[5:]),
    },
    "with an id": {"a.jsonl": text(NEW, TRIALS[:10]), "b.jsonl": text(NEW, TRIALS[5:])},
}


@pytest.fixture(params=TWICE, ids=str)
def given(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    paths = []
    for name, content in TWICE[request.param].items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(content)
    return paths


def test_every_reader_counts_it_once(given: list[Path]) -> None:
    for content in (read_journals(given), gathered(given)[0]):
        assert len(content.trials) == len(TRIALS)
        assert len(content.runs) == 1
        assert content.repeated
        (summary,) = compare_journals(content)
        assert summary.trials == len(TRIALS)
        assert summary.coverage is not None
        assert summary.coverage.repeated_trials == len(content.repeated)
        (comparison,) = summary.comparisons
        assert {row.estimate.blocks for row in comparison.rows if row.estimate} == {8}
        (evidence,) = of_journals(content)
        assert len(evidence.arm("storm", "ringbuf").trials) == 8


def test_kernels_count_it_once(given: list[Path], tmp_path: Path) -> None:
    for places in ([tmp_path], given, [tmp_path, *given]):
        matrix = compare(read_matrix(places))
        assert len(matrix.rows) == 1
        assert matrix.trials == len(TRIALS)
        assert matrix.repeated


def test_a_kernels_folder_and_a_file_in_it_keep_its_status(tmp_path: Path) -> None:
    folder = tmp_path / "6.1"
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(WHOLE)
    (folder / "outcome.json").write_text('{"label":"6.1-x","status":"hung","reason":"no word"}')
    for places in ([tmp_path, folder / "journal.jsonl"], [folder / "journal.jsonl", tmp_path]):
        (entry,) = read_matrix(places)
        assert (entry.label, entry.status) == ("6.1-x", "hung")
        assert len(entry.content.trials) == len(TRIALS)


def test_a_kernel_without_a_journal_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "outcome.json").write_text('{"label":"6.2","status":"hung","reason":"no word"}')
    assert len(read_matrix([tmp_path, tmp_path])) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda: text(header("there"), TRIALS),
        lambda: text(HEADER, [replace(each, started_utc="2026-01-02") for each in TRIALS]),
        lambda: text(
            header(seed=2),
            [
                replace(each, storm=replace(each.storm, start_ns=each.storm.start_ns + 1))
                for each in TRIALS
            ],
        ),
    ],
    ids=["of another machine", "of another day", "begun a nanosecond later"],
)
def test_what_only_looks_alike_counts_apart(tmp_path: Path, other: Callable[[], bytes]) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(WHOLE + other())
    content = read_journal(path, strict=True)
    assert len(content.runs) == 2
    assert len(content.trials) == 2 * len(TRIALS)
    assert not content.repeated


def test_resuming_knows_all_trials_of_a_run_that_was_appended_in_part(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(WHOLE + HALF)
    run = last_run(path, HEADER)
    assert run is not None
    assert len(run.trials) == len(TRIALS)


def test_a_comparison_leaves_out_what_is_on_both_sides_unaltered(tmp_path: Path) -> None:
    before, after = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    before.write_bytes(WHOLE)
    changed = replace(TRIALS[0], reasons=("another",))
    after.write_bytes(text(HEADER, [changed, *TRIALS[1:], trial(ARMS[0], 8)]))
    left = without(read_journal(after), read_journal(before))
    assert left.trials == (changed, trial(ARMS[0], 8))


def test_runs_are_joined_by_their_header_alone(tmp_path: Path) -> None:
    """Parts of one run without a trial in common are one run; parts of two are two."""
    path = tmp_path / "journal.jsonl"
    for other, runs in ((NEW, 1), (replace(NEW, run_id="07he"), 2)):
        path.write_bytes(text(NEW, TRIALS[:6]) + text(other, TRIALS[6:]))
        content = read_journal(path, strict=True)
        assert (len(content.runs), len(content.trials)) == (runs, len(TRIALS))
        assert not content.repeated
