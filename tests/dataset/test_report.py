# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a folder's report is that of its journals, by way of the data set or not."""

from __future__ import annotations

import gc
import gzip
import json
import os
import shutil
import threading
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from weakref import ReferenceType, ref

import polars as pl
import pytest
import reference
from made_up_trials import blocks, header, trial
from tracing import eventually

from bench.cli import app, report
from bench.dataset import folder, store
from bench.dataset.decode import Decoded, decoded
from bench.dataset.processes import processes
from bench.dataset.store import DataSet
from bench.dataset.stored import Table
from bench.errors import JournalError, MachineUnfit
from bench.journal.files import below
from bench.journal.reader import read_journals
from bench.journal.schema import JournalContent
from bench.journal.writer import encode
from bench.questions.claims.catalogue import judge
from bench.questions.claims.document import document as claims_document
from bench.questions.claims.evidence import of_journals
from bench.questions.fleet import judge as fleet
from bench.questions.transports import table
from bench.questions.transports.document import document
from bench.questions.transports.summary import Summary, compare_journals
from bench.report.document import Document

JOURNALS = (*reference.JOURNALS, reference.OLD)


def silent(line: str) -> None:
    raise AssertionError(line)


def reports(content: JournalContent) -> list[Document]:
    """Return all that is shown of a comparison, but for charts."""
    return [document(summary) for summary in compare_journals(content)]


compare_documents = report._compared


def stored(place: Path, said: list[str] | None = None) -> list[JournalContent]:
    say = silent if said is None else said.append
    return folder.by_machine(place, say, lambda content: [content])


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Return a folder with journals of two machines."""
    for name, host in (("a.jsonl", "here"), ("b.jsonl", "there")):
        trials = [*blocks("ringbuf@64KiB", [{}] * 8), *blocks("perfbuf@64KiB", [{}] * 8)]
        lines = [encode(header(host)), *map(encode, trials)]
        (tmp_path / name).write_bytes(b"".join(lines))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("journal", JOURNALS)
def test_the_report_is_that_of_the_journal(journal: str, tmp_path: Path) -> None:
    source = reference.FOLDER / journal
    shutil.copy(source, tmp_path / source.name)
    expected = [document(reference.summary(journal))]
    for _ in ("read", "known"):
        assert folder.by_machine(tmp_path, silent, reports) == expected


@pytest.mark.slow
@pytest.mark.parametrize("journal", ["claims/journal.jsonl.gz", "quick/journal.jsonl.gz"])
def test_claims_and_tables_are_those_of_the_journal(journal: str, tmp_path: Path) -> None:
    source = reference.FOLDER / journal
    shutil.copy(source, tmp_path / source.name)
    (content,) = stored(tmp_path)
    expected = reference.content(journal)
    found, wanted = (
        [claims_document(judge(each)) for each in of_journals(one)] for one in (content, expected)
    )
    assert found == wanted
    assert list(table.rows(content)) == list(table.rows(expected))


def test_a_made_up_report_is_that_of_the_journals(two: Path) -> None:
    assert folder.by_machine(two, silent, reports) == reports(read_journals(below(two, silent)))


def test_one_machine_is_in_memory_at_a_time(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in two.iterdir():
        path.write_bytes(path.read_bytes() + b"".join(map(encode, blocks("none", [{}] * 8))))
    tables: list[ReferenceType[Table]] = []
    monkeypatch.setattr(store, "Table", lambda *given: noted(Table(*given)))

    def noted(made: Table) -> Table:
        tables.append(ref(made))
        return made

    def others(content: JournalContent) -> list[int]:
        assert reports(content)
        return [sum(each() is not None for each in tables) - 1]

    gc.disable()  # what holds itself would remain until some later collection
    try:
        assert folder.by_machine(two, silent, others) == [0, 0]
    finally:
        gc.enable()


def test_only_new_journals_are_read(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folder.by_machine(two, silent, reports)
    read: list[str] = []

    def noted(coming: Path, path: Path) -> Decoded | str:
        read.append(path.name)
        return decoded(coming, path)

    monkeypatch.setattr(store, "decoded", noted)
    assert folder.by_machine(two, silent, reports) == before
    assert read == []
    os.utime(two / "a.jsonl")  # another time, the same bytes
    assert folder.by_machine(two, silent, reports) == before
    assert read == []
    with (two / "b.jsonl").open("ab") as file:
        file.write(encode(trial("ringbuf@64KiB", 8)))
    found = folder.by_machine(two, silent, compare_journals)
    assert [each.trials for each in found] == [16, 17]
    assert read == ["b.jsonl"]
    (two / "a.jsonl").unlink()
    (left,) = folder.by_machine(two, silent, compare_journals)
    assert (left.trials, read) == (17, ["b.jsonl"])
    assert len([*(two / store.NAME).rglob("*.parquet")]) == 1


@pytest.mark.parametrize("torn", ["part", "gone", "index", "foreign"])
def test_what_is_torn_or_foreign_is_made_anew(two: Path, torn: str) -> None:
    before = folder.by_machine(two, silent, reports)
    index = two / store.NAME / "index"
    (part, *_) = (two / store.NAME).rglob("*.parquet")
    match torn:
        case "part":
            part.write_bytes(part.read_bytes()[:100])
        case "gone":
            part.unlink()
        case "index":
            index.write_bytes(index.read_bytes()[:100])
        case "foreign":
            index.write_bytes(b"\xff\x00{}\n[]")
    assert folder.by_machine(two, silent, reports) == before


def test_a_part_that_only_looks_whole_is_named(two: Path) -> None:
    stored(two)
    (part, *_) = (two / store.NAME).rglob("*.parquet")
    part.write_bytes(bytes(part.stat().st_size))
    with pytest.raises(JournalError, match=f"{part.name} is damaged"):
        stored(two)
    part.unlink()
    assert len(stored(two)) == 2


def test_it_lies_by_kernel_machine_and_month(two: Path) -> None:
    stored(two)
    rows = pl.scan_parquet(two / store.NAME / "**/*.parquet", hive_partitioning=True)
    groups = rows.group_by("kernel", "machine", "month").len().sort("machine").collect()
    assert groups.rows() == [
        ("6.1.0-made-up", "here", "2026-01", 16),
        ("6.1.0-made-up", "there", "2026-01", 16),
    ]


def test_a_trial_counts_once(two: Path) -> None:
    text = (two / "a.jsonl").read_bytes()
    (two / "copy.jsonl.gz").write_bytes(gzip.compress(text))
    longer = [encode(trial("ringbuf@64KiB", 8)), encode(trial("perfbuf@64KiB", 8))]
    (two / "longer.jsonl").write_bytes(text + b"".join(longer))
    found = folder.by_machine(two, silent, compare_journals)
    expected = compare_journals(read_journals(below(two, silent)))
    assert [data(each) for each in found] == [data(each) for each in expected]
    assert [each.trials for each in found] == [18, 16]
    assert found[0].coverage is not None
    assert found[0].coverage.repeated_trials == 16


def data(summary: Summary) -> object:
    return document(summary).data


def test_what_cannot_be_used_is_said(two: Path) -> None:
    with (two / "a.jsonl").open("ab") as file:
        file.write(b'{"schema":3,"kind":"trial","expe\n')
    (two / "c.jsonl").write_bytes(b"no journal\n")
    for _ in ("read", "known"):
        said: list[str] = []
        stored(two, said)
        assert [line.partition("line ")[2] for line in said] == [
            "18: torn or damaged",
            "1: not a line of a journal",
        ]


def test_a_damaged_histogram_is_a_fault_of_the_report(tmp_path: Path) -> None:
    made = trial("ringbuf@64KiB", 0)
    assert made.latency is not None
    broken = replace(made, latency=replace(made.latency, histogram="x"))
    lines = [header(), broken, trial("perfbuf@64KiB", 0)]
    (tmp_path / "a.jsonl").write_bytes(b"".join(map(encode, lines)))
    with pytest.raises(JournalError, match="histogram cannot be decoded"):
        folder.by_machine(tmp_path, silent, compare_journals)


def test_a_folder_that_cannot_be_written_is_read_at_once(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = reports(read_journals(below(two, silent)))

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(DataSet, "take_up", refused)
    said: list[str] = []
    assert folder.by_machine(two, said.append, reports) == expected
    assert said == [f"no data set in {two}, so that all is read at once: Permission denied"]


def test_a_data_set_that_is_a_link_is_left_alone(two: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.parquet").write_bytes(b"mine")
    (two / store.NAME).symlink_to(elsewhere)
    said: list[str] = []
    assert stored(two, said)
    assert "no data set" in said[0]
    assert [each.name for each in elsewhere.iterdir()] == ["mine.parquet"]


@pytest.mark.parametrize("name", ["kernel=6.1.0-made-up", "coming-1", "index"])
def test_a_link_in_a_data_set_is_not_followed(two: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.parquet").write_bytes(b"mine")
    (two / store.NAME).mkdir()
    (two / store.NAME / name).symlink_to(elsewhere)
    assert stored(two, [])
    assert [each.name for each in elsewhere.iterdir()] == ["mine.parquet"]


def test_what_another_report_reads_is_not_removed(two: Path) -> None:
    asked: list[str] = []
    done = threading.Event()

    def other() -> None:
        stored(two, asked)
        done.set()

    def conclude(content: JournalContent) -> list[JournalContent]:
        if not asked:
            (two / "b.jsonl").unlink()  # so that the other one has something to remove
            threading.Thread(target=other).start()
            assert eventually(lambda: bool(asked))
            assert not done.is_set()
        return [content]

    assert len(folder.by_machine(two, silent, conclude)) == 2
    assert asked == [f"waiting for another report of {two}"]
    assert eventually(done.is_set)
    assert len(stored(two)) == 1


def test_two_reports_of_what_is_known_do_not_wait(two: Path) -> None:
    stored(two)
    found = folder.by_machine(two, silent, lambda _: stored(two))
    assert len(found) == 4


def test_processes_give_the_same_in_the_same_order(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = folder.by_machine(two, silent, compare_documents)
    shutil.rmtree(two / store.NAME)
    monkeypatch.setattr(store, "_WORTH_BYTES", 0)
    monkeypatch.setattr(folder, "_WORTH_BYTES", 0)
    assert folder.by_machine(two, silent, compare_documents) == expected


def test_a_process_that_was_killed_is_named() -> None:
    with pytest.raises(MachineUnfit, match="was killed"), processes():
        raise BrokenProcessPool


def test_a_folder_without_a_trial_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no trial in"):
        stored(tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_fleet_is_kept_until_its_journals_change(two: Path) -> None:
    keep = "fleet", tuple[fleet.Measured, ...]
    first = folder.by_machine(two, silent, fleet.of_journals, keep)

    def never(_: JournalContent) -> list[fleet.Measured]:
        raise AssertionError

    assert folder.by_machine(two, silent, never, keep) == first
    kept = two / store.NAME / "fleet"
    kept.write_bytes(kept.read_bytes()[:-20] + b"\n")  # the last one is torn
    asked: list[str] = []

    def noted(content: JournalContent) -> list[fleet.Measured]:
        asked.append(content.runs[0].header.machine.hostname)
        return fleet.of_journals(content)

    assert folder.by_machine(two, silent, noted, keep) == first
    assert asked == ["there"]


def test_csv_of_a_folder_is_that_of_its_journals(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for places in ([two], [two / "a.jsonl", two / "b.jsonl"]):
        assert app.run(["report", *map(str, places), "--format", "csv"]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    assert found[0].count("\n") == 1 + 32


@pytest.mark.slow
def test_a_page_of_a_folder_has_each_machine(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["report", str(two), "--format", "html"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == two / "report.html"
    page = path.read_text(encoding="utf-8")
    for name in ("here", "there"):
        assert f"{name} 6.1.0-made-up: Comparison" in page
    assert page.count("<svg role=") >= 4


def test_the_index_is_no_journal(two: Path) -> None:
    stored(two)
    assert [path.name for path in below(two, silent)] == ["a.jsonl", "b.jsonl"]
    assert json.loads((two / store.NAME / "index").read_bytes().splitlines()[0])
