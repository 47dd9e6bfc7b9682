# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench report as people run it: good journals, bad ones, and both together."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from made_up_trials import blocks, header
from tracing import BUFBENCH, answers_signals, bufbench, eventually, unread, within

from bench.cli import app
from bench.errors import UsageError
from bench.journal.writer import JournalWriter

pytestmark = pytest.mark.slow


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    with JournalWriter(path) as writer:
        writer.write(header())
        for arm, dropped in (("ringbuf@64KiB", 0), ("perfbuf@64KiB", 30)):
            for trial in blocks(arm, [{"dropped": dropped}] * 8):
                writer.write(trial)
    return path


FOLLOWED = ("bmf", "github-benchmark", "github-benchmark-bigger", "ktap", "openmetrics", "summary")


@pytest.mark.parametrize("form", ["text", "markdown", "json", *FOLLOWED])
def test_each_form_shows_both_transports(journal: Path, form: str) -> None:
    done = within("report", str(journal), "--format", form)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ringbuf" in done.stdout or "ring buffer" in done.stdout
    assert form == "ktap" or "perfbuf" in done.stdout or "perf buffer" in done.stdout
    if form in ("json", "bmf", "github-benchmark", "github-benchmark-bigger"):
        json.loads(done.stdout)
    if form in FOLLOWED:
        kept = journal.with_name("kept")
        assert within("report", str(journal), "--format", form, "--output", str(kept)).stdout
        assert kept.read_text(encoding="utf-8") == done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "empty"),
        (b"PID COMM\n1 init\n", "line 1"),
        (b"\x00\xff\xfe" * 1_000, "line 1"),
        (b'{"schema":999,"kind":"machine"}\n', "999"),
        (b'{"schema":1,"kind":"machine"', "ends within"),
        (b"[]\n", "line 1"),
        (b"{" * 100_000 + b"\n", "line 1"),
    ],
)
def test_nothing_to_report_is_reported_in_a_line(text: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(text)
    done = within("report", str(path))
    assert done.returncode == 2, done
    assert said in done.stderr
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["FILE...", "report", ""],
        ["FILE...", "report", "run.jsonl", "", "--json"],
        ["--output", "report", "run.jsonl", "--format=html", "--output="],
        ["DIR...", "history", ""],
        ["--from", "claims", "--from", ""],
        ["--from", "duet", "--from", ""],
    ],
)
def test_an_empty_path_is_not_the_working_folder(
    journal: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(journal.parent)
    name, *command = words
    with pytest.raises(UsageError, match=re.escape(f"{name} is empty; name a file or a folder")):
        app.run(command)


@pytest.mark.parametrize("name", ["missing.jsonl", "run.jsonl/inside"])
def test_what_cannot_be_opened_is_reported_in_a_line(journal: Path, name: str) -> None:
    done = within("report", str(journal.parent / name))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "cannot be read" in done.stderr.splitlines()[-1]


def test_a_torn_line_is_named_and_the_rest_counts(journal: Path) -> None:
    whole = within("report", str(journal), "--format", "json").stdout
    with journal.open("ab") as file:
        file.write(b'{"schema":1,"kind":"trial","exper')
    done = within("report", str(journal), "--format", "json")
    assert done.returncode == 0
    assert "18" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    shown, before = json.loads(done.stdout), json.loads(whole)
    assert shown.keys() == before.keys()


def test_journals_concatenate(journal: Path) -> None:
    both = journal.with_name("both.jsonl")
    both.write_bytes(journal.read_bytes() * 2)
    one = within("report", str(both), "--format", "json")
    two = within("report", str(journal), str(journal), "--format", "json")
    assert one.returncode == two.returncode == 0
    assert one.stdout == two.stdout


def test_no_file_and_no_such_form_are_usage_errors(journal: Path) -> None:
    for arguments in ([], [str(journal), "--format", "poem"]):
        done = within("report", *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_error(journal: Path) -> None:
    with subprocess.Popen(
        [*BUFBENCH, "report", str(journal)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as report:
        assert report.stdout
        assert report.stderr
        report.stdout.close()
        said = report.stderr.read()
    assert (report.returncode, said) == (0, b"")


def test_an_encoding_without_our_characters_is_no_error(journal: Path) -> None:
    assert not bufbench("report", str(journal)).stdout.isascii()
    done = bufbench("report", str(journal), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_the_page_and_the_table_lie_beside_the_journal(journal: Path) -> None:
    for form, suffix, begins in (
        ("html", ".html", b"<!doctype html>"),
        ("parquet", ".parquet", b"PAR1"),
    ):
        done = bufbench("report", str(journal), "--format", form)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip() == str(journal.with_suffix(suffix))
        assert journal.with_suffix(suffix).read_bytes().startswith(begins)


def test_csv_is_printed_with_a_row_for_each_trial(journal: Path) -> None:
    done = within("report", str(journal), "--format", "csv")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1 + 16


def test_what_cannot_be_written_is_reported_in_a_line(journal: Path) -> None:
    target = journal.parent / "missing" / "page.html"
    done = within("report", str(journal), "--format", "html", "--output", str(target))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr


def test_a_journal_is_not_replaced_by_its_report(journal: Path) -> None:
    before = journal.read_bytes()
    done = within("report", str(journal), "--format", "csv", "--output", str(journal))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "would replace what is read; choose another" in done.stderr
    assert journal.read_bytes() == before


@pytest.mark.parametrize("packed", [False, True])
def test_a_journal_is_not_compared_with_itself(journal: Path, packed: bool) -> None:
    copy = journal.with_name("copy.jsonl.gz")
    copy.write_bytes(gzip.compress(journal.read_bytes()))
    done = within("compare", str(journal), str(copy if packed else journal))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nothing can have changed" in done.stderr


def test_a_regression_fails_the_gate_that_was_asked_for(journal: Path) -> None:
    worse = journal.with_name("worse.jsonl")
    with JournalWriter(worse) as writer:
        writer.write(header())
        for arm, dropped in (("ringbuf@64KiB", 200), ("perfbuf@64KiB", 30)):
            for trial in blocks(arm, [{"dropped": dropped}] * 8):
                writer.write(trial)
    assert within("compare", str(journal), str(worse)).returncode == 0
    done = bufbench("compare", str(journal), str(worse), "--fail-on-regression")
    assert done.returncode == 1
    assert "worse" in done.stderr
    found = json.loads(within("compare", str(journal), str(worse), "--format", "json").stdout)
    (count,) = (each for each in found["counts"] if each["arm"] == "ringbuf@64KiB")
    assert found["regressions"] >= 1
    assert count["worse"]
    assert count["after"] > count["before"]
    ktap = within("compare", str(journal), str(worse), "--format", "ktap").stdout
    assert "not ok 1 no regression" in ktap.splitlines()
    table = within("compare", str(journal), str(worse), "--format", "markdown").stdout
    assert "| worse | storm, ringbuf@64KiB: dropped |" in table
    command = [*BUFBENCH, "compare", journal, worse, "--fail-on-regression"]
    assert unread(*command).returncode == 1
    assert within("compare", str(worse), str(journal), "--fail-on-regression").returncode == 0


def test_sets_are_folders_patterns_and_compressed_files(journal: Path) -> None:
    folder = journal.parent / "old"
    folder.mkdir()
    later = journal.read_bytes().replace(b'"started_utc":"2026', b'"started_utc":"2027')
    (folder / "one.jsonl").write_bytes(later)
    (folder / "two.jsonl.gz").write_bytes(gzip.compress(later))
    compared = [
        within("compare", str(journal), after)
        for after in (str(folder), f"{folder}/*.jsonl*", f"{folder}/t[w]o.jsonl.gz")
    ]
    assert {each.returncode for each in compared} == {0}
    assert all(each.stdout.startswith("0 changed") for each in compared)
    assert ["each counts once" in each.stderr for each in compared] == [True, True, False]


@pytest.mark.parametrize("name", ["nothing-*.jsonl", "empty"])
def test_a_set_without_journals_is_reported_in_a_line(journal: Path, name: str) -> None:
    (journal.parent / "empty").mkdir()
    done = within("compare", str(journal), str(journal.parent / name))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no journal in" in done.stderr


@pytest.mark.parametrize("form", ["text", "markdown", "json", "csv"])
def test_a_compressed_journal_is_reported_like_a_plain_one(journal: Path, form: str) -> None:
    packed = journal.with_name("packed.jsonl.gz")
    packed.write_bytes(gzip.compress(journal.read_bytes()))
    plain, same = (within("report", str(path), "--format", form) for path in (journal, packed))
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout == plain.stdout


def test_what_goes_beside_a_compressed_journal_has_its_name(journal: Path) -> None:
    packed = journal.with_name("packed.jsonl.gz")
    packed.write_bytes(gzip.compress(journal.read_bytes()))
    done = within("report", "--format", "parquet", str(packed))
    assert done.stdout.strip() == str(journal.with_name("packed.parquet"))


def test_charts_go_into_the_folder_asked_for(journal: Path) -> None:
    folder = journal.parent / "made" / "charts"
    done = bufbench("report", str(journal), "--format", "svg", "--output", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert [Path(line) for line in done.stdout.splitlines()] == [
        folder / f"{key}.svg" for key in ("latency", "cost", "wakeups")
    ]


def test_markdown_for_a_job_summary_has_its_charts_beside_it(journal: Path) -> None:
    target = journal.parent / "summary.md"
    done = bufbench("report", str(journal), "--format", "markdown", "--output", str(target))
    assert (done.returncode, done.stdout.strip()) == (0, str(target))
    links = re.findall(r"\]\(([^)]+)\)", target.read_text())
    assert len(links) == 3
    assert all((target.parent / link).read_bytes().startswith(b"<svg") for link in links)


@pytest.mark.parametrize("delay_s", [0.2, 0.6, 1.2, 2.0])
def test_ctrl_c_while_a_page_is_made_is_quiet(journal: Path, delay_s: float) -> None:
    with subprocess.Popen(
        [*BUFBENCH, "report", str(journal), "--format", "html"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as report:
        assert eventually(lambda: answers_signals(report.pid))
        time.sleep(delay_s)
        os.killpg(report.pid, signal.SIGINT)  # as a terminal does: to the drawing process too
        _, said = report.communicate(timeout=30)
    # On a busy machine it is not closed in time, and ends at once.
    assert said in (b"", b"bufbench: interrupted\n", b"bufbench: interrupted, at once\n")
    assert report.returncode in (130, 0)  # the latter: it was done already
    assert eventually(lambda: nobody_is_left_of(report.pid))


def nobody_is_left_of(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False
