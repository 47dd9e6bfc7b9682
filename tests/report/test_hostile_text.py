# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that names that others chose appear as they are in every form, and do nothing there."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from hostile import NAMES
from made_up_trials import blocks, header, trial
from rich.console import Console
from tracing import BUFBENCH, bufbench

from bench.cli.report import write_page
from bench.errors import clean
from bench.journal.reader import read_journal
from bench.journal.schema import JournalContent
from bench.journal.writer import JournalWriter
from bench.questions.transports import table
from bench.questions.transports.document import document, report_of
from bench.questions.transports.summary import compare_journals
from bench.report.document import Document
from bench.report.renderers import json as json_form
from bench.report.renderers import markdown
from bench.report.renderers.text import show
from bench.trial.result import State


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return NAMES[request.param]


@pytest.fixture
def content(name: str, tmp_path: Path) -> JournalContent:
    """Return a journal in which everything that others may name is named so; read back."""
    plain = header()
    facts = replace(
        plain.machine, hostname=name, kernel_release=name, cpu_model=name, kernel_facts={name: name}
    )
    path = tmp_path / "hostile.jsonl"
    with JournalWriter(path) as writer:
        writer.write(replace(plain, machine=facts, command_line=("bufbench", name), profile=name))
        for transport in ("ringbuf", "perfbuf"):
            for made in blocks(f"{transport}@8KiB", [{"dropped": 3}] * 8, experiment=name):
                writer.write(replace(made, lost_told={name: 3}))
        writer.write(
            trial("ringbuf@8KiB", 9, experiment=name, state=State.INVALID, reasons=(name,))
        )
    return read_journal(path, strict=True)


@pytest.fixture
def made(content: JournalContent) -> Document:
    (summary,) = compare_journals(content)
    return document(summary)


def test_a_terminal_is_not_steered(name: str, made: Document) -> None:
    screen = Console(file=io.StringIO(), width=4_000, force_terminal=True, color_system=None)
    show(made, screen)
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    without_style = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert all(char.isprintable() or char == "\n" for char in without_style)
    assert clean(name)[:60].strip() in without_style


def test_markdown_shows_it_as_it_is(made: Document) -> None:
    said = markdown.render(made)
    assert all(char.isprintable() or char == "\n" for char in said)
    # What is left of a line without its escapes has no mark that is Markdown's or HTML's.
    words = {line for line in said.splitlines() if line.startswith("### ")}
    for line in words:
        bare = re.sub(r"\\[\\`*_\[\]|#~]", "", line.removeprefix("### "))
        assert not re.search(r"[`*\[\]|#<>]", bare), line
    columns = {
        len(re.findall(r"(?<!\\)\|", line)) for line in said.splitlines() if line.startswith("| ")
    }
    assert len(columns) <= 2  # of the overview and of the comparison


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.events: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.events += [key for key, _ in attrs if key.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.slow
def test_a_page_gets_no_elements_of_it(tmp_path: Path) -> None:
    found = []
    odd = NAMES["html"] + NAMES["formats"]
    for word in (odd, "harmless"):
        path = tmp_path / f"{len(found)}.jsonl"
        with JournalWriter(path) as writer:
            writer.write(replace(header(word), command_line=("bufbench", word)))
            for transport in ("ringbuf", "perfbuf"):
                for made in blocks(f"{transport}@8KiB", [{}] * 8, experiment=word):
                    writer.write(made)
        page = _Elements()
        write_page([path])
        page.feed(path.with_suffix(".html").read_text(encoding="utf-8"))
        found.append(page)
    hostile, harmless = found
    assert [each for each in hostile.found if each in ("script", "img", "iframe", "a")] == [
        each for each in harmless.found if each in ("script", "img", "iframe", "a")
    ]
    assert hostile.events == []
    assert odd in "".join(hostile.text)


def test_json_holds_it_exactly(name: str, made: Document) -> None:
    said = json_form.render(data=report_of(made))
    assert said.isascii()
    shown = json.loads(said)["summaries"][0]
    assert shown["machine"]["hostname"] == name
    assert shown["comparisons"][0]["experiment"] == name


def test_parquet_holds_it_exactly(name: str, content: JournalContent) -> None:
    rows = pl.read_parquet(io.BytesIO(table.parquet(content)))
    assert set(rows["experiment"]) == {name}
    assert set(rows["hostname"]) == {name}


def test_csv_is_no_formula_and_can_be_read_back(name: str, content: JournalContent) -> None:
    rows = list(csv.DictReader(io.StringIO(table.csv(content), newline="")))
    assert len(rows) == 17
    for cell in (row[column] for row in rows for column in ("experiment", "hostname", "profile")):
        assert cell[0] not in "=+-@\t\r\n"
        assert (cell.removeprefix("'")) == name


@pytest.mark.slow
def test_faults_name_foreign_paths_and_keys_without_steering(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J\nb\u202e.jsonl"
    path.write_bytes(b'{"schema":1,"kind":"\\u001b[2J"}\n')
    for words in (["report"], ["claims", "--from"], ["compare", str(path)]):
        done = bufbench(*words, str(path))
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.rstrip("\n").isprintable()


@pytest.mark.slow
def test_csv_does_not_steer_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.jsonl"
    with JournalWriter(path) as writer:
        writer.write(header(NAMES["escapes"]))
        writer.write(trial("ringbuf@8KiB", 0, experiment=NAMES["bidi"]))
    reader, terminal = os.openpty()
    try:
        subprocess.run([*BUFBENCH, "report", "--format", "csv", path], stdout=terminal, check=True)
        shown = os.read(reader, 1 << 16).decode().replace("\r\n", "\n")
    finally:
        os.close(reader)
        os.close(terminal)
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert r"\x1b[2J" in shown
    piped = subprocess.run(
        [*BUFBENCH, "report", "--format", "csv", path], capture_output=True, check=True
    )
    assert NAMES["bidi"] in piped.stdout.decode()
