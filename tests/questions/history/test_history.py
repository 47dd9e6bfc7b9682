# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what is read of journals, kept beside them and tracked, and how it is shown."""

from __future__ import annotations

import gzip
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from made_up_trials import blocks, header

from bench.errors import BufbenchError, JournalError, UsageError
from bench.journal.writer import encode
from bench.questions.history import frame, reading
from bench.questions.history.changepoints import FEWEST_RUNS
from bench.questions.history.judge import History, judge
from bench.questions.history.reading import NAME, read

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app

KERNEL = "6.1.0-made-up"
WOBBLE = (0.99, 1.0, 1.01, 0.98, 1.02, 1.0, 0.99, 1.01)


def write(
    path: Path, day: int, *, dropped: int = 20, p50_ns: int = 10_000, kernel: str = KERNEL,
    hostname: str = "here", count: int = 1_000,
) -> Path:  # fmt: skip
    """Write a run of eight blocks, on that day of a year."""
    started = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    plain = header(hostname, seed=day)
    made = replace(
        plain,
        started_utc=started.isoformat(),
        run_id=f"{day:08x}{kernel}{hostname}",
        machine=replace(plain.machine, kernel_release=kernel),
    )
    lines = [encode(made)]
    for arm, times, of_ns in (("ringbuf@64KiB", 1, p50_ns), ("perfbuf@64KiB", 2, 20_000)):
        values = [
            {"dropped": times * dropped + at % 3, "p50_ns": round(of_ns * by)}
            for at, by in enumerate(WOBBLE)
        ]
        lines += (encode(trial) for trial in blocks(arm, values, count=count))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write twelve runs, of which the last five drop three times as much."""
    for day in range(12):
        write(tmp_path / f"{day:02}.jsonl", day, dropped=20 if day < 7 else 60)
    return tmp_path


def followed(*places: Path, said: list[str] | None = None) -> History:
    return judge(read(places, (said if said is not None else []).append))


def faults_of(*places: Path) -> list[str]:
    said: list[str] = []
    followed(*places, said=said)
    return said


def changed(history: History) -> set[tuple[str, str, bool]]:
    return {
        (series.of.key, history.runs[change.run].started_utc[:10], change.worse)
        for series, change in history.changed
    }


def judged(places: Sequence[Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the journals that are judged again, each read as far as that."""
    names: list[str] = []

    def rows_of(journal: Path, of_file: dict[str, object]) -> pl.DataFrame:
        names.append(journal.name)
        return frame.rows_of(journal, of_file)

    with monkeypatch.context() as patched:
        patched.setattr(reading, "rows_of", rows_of)
        followed(*places)
    return names


def test_a_step_is_dated_and_judged(folder: Path) -> None:
    history = followed(folder)
    assert len(history.runs) == 12
    assert {
        ("storm/ringbuf@64KiB/own_dropped_share", "2026-01-08", True),
        ("storm/perfbuf@64KiB/own_dropped_share", "2026-01-08", True),
    } <= changed(history)
    assert not any("latency" in key for key, _, _ in changed(history))


def test_runs_stand_in_the_order_of_time_not_of_names(tmp_path: Path) -> None:
    for day in range(3):
        write(tmp_path / f"{9 - day}.jsonl", day)
    assert [each.journal for each in followed(tmp_path).runs] == ["9.jsonl", "8.jsonl", "7.jsonl"]


def test_folders_are_searched_at_any_depth_and_gzip_is_read(tmp_path: Path) -> None:
    plain = write(tmp_path / "a/b/one.jsonl", 1)
    other = write(tmp_path / "two.jsonl", 2)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(other.read_bytes()))
    other.unlink()
    assert len(followed(tmp_path).runs) == 2
    assert len(followed(tmp_path / "a", plain).runs) == 1  # twice the same


def test_a_copy_and_an_earlier_half_count_once(folder: Path) -> None:
    text = (folder / "03.jsonl").read_bytes()
    (folder / "copy.jsonl").write_bytes(text)
    (folder / "00-half.jsonl").write_bytes(b"".join(text.splitlines(keepends=True)[:14]))
    said: list[str] = []
    history = followed(folder, said=said)
    assert len(history.runs) == 12
    assert {each.trials for each in history.runs} == {16}
    assert said[-1] == "2 copies of runs left out"


def test_a_journal_that_compares_nothing_is_counted_as_left_out(folder: Path) -> None:
    lines = (folder / "03.jsonl").read_bytes().splitlines(keepends=True)
    lines = [line for line in lines if b"ringbuf@64KiB" not in line]
    (folder / "03.jsonl").write_bytes(b"".join(lines))
    said: list[str] = []
    assert len(followed(folder, said=said).runs) == 11
    assert said == ["1 journal without a comparison left out"]


def test_other_machines_loads_and_kernels_are_series_of_their_own(tmp_path: Path) -> None:
    for day in range(4):
        write(tmp_path / f"{day}.jsonl", day, count=1_000 if day % 2 else 2_000)
    write(tmp_path / "kernel.jsonl", 8, kernel="6.12.1")
    key = "storm/ringbuf@64KiB/own_dropped_share"
    found = [each for each in followed(tmp_path).series if each.of.key == key]
    assert sorted(len(each.runs) for each in found) == [1, 2, 2]
    # Hosts of one kind are one series: a CI system has a new one for each job.
    write(tmp_path / "host.jsonl", 9, kernel="6.12.1", hostname="there")
    found = [each for each in followed(tmp_path).series if each.of.key == key]
    assert sorted(len(each.runs) for each in found) == [2, 2, 2]


def test_kernels_are_compared_in_the_order_of_versions(tmp_path: Path) -> None:
    for day, (kernel, dropped) in enumerate((("6.12.1", 60), ("5.10.0", 20), ("6.9.2", 20))):
        write(tmp_path / f"{day}.jsonl", day, kernel=kernel, dropped=dropped)
    history = followed(tmp_path)
    for series in history.kernels:
        assert [each.kernel[:5] for each in series.points] == ["5.10.", "6.9.2", "6.12."]
    steps = {(series.of.key, step.kernel, step.worse) for series, step in history.stepped}
    assert ("storm/ringbuf@64KiB/own_dropped_share", "6.12.1 (none)", True) in steps
    assert {kernel for _, kernel, _ in steps} == {"6.12.1 (none)"}
    assert not history.changed


def test_only_new_and_altered_journals_are_judged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = followed(folder)
    assert judged([folder], monkeypatch) == []
    assert followed(folder) == first
    os.utime(folder / "02.jsonl")  # as a fresh checkout has it: the content is the same
    assert judged([folder], monkeypatch) == []
    altered = folder / "03.jsonl"
    seen = altered.stat()
    text = altered.read_bytes()
    altered.write_bytes(text.replace(b'"own_dropped":20', b'"own_dropped":21'))
    os.utime(altered, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # of the same size and mtime
    assert altered.stat().st_size == seen.st_size
    write(folder / "12.jsonl", 12)
    (folder / "05.jsonl").unlink()
    assert judged([folder], monkeypatch) == ["03.jsonl", "12.jsonl"]
    assert len(followed(folder).runs) == 12
    kept = pl.read_parquet(folder / NAME)["path"].unique().sort().to_list()
    assert kept == sorted(path.name for path in folder.glob("*.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["torn", "empty", "text", "foreign", "nulls", "unit", "old code"])
def test_a_cache_that_is_no_good_is_made_anew(
    folder: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = followed(folder)
    path = folder / NAME
    rows = pl.read_parquet(path)
    match harm:
        case "torn":
            path.write_bytes(path.read_bytes()[:-100])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("not Parquet\n" * 100)
        case "foreign":
            pl.DataFrame({"path": ["00.jsonl"], "value": [1]}).write_parquet(path)
        case "nulls":
            rows.with_columns(pl.lit(None, pl.String).alias("kind")).write_parquet(path)
        case "unit":
            rows.with_columns(unit=pl.lit("parsecs")).write_parquet(path)
        case "old code":
            rows.with_columns(judge=pl.lit("0"), value=pl.lit(0.5)).write_parquet(path)
    assert len(judged([folder], monkeypatch)) == 12
    assert followed(folder) == right
    assert judged([folder], monkeypatch) == []


def test_a_folder_that_cannot_be_written_costs_only_the_cache(folder: Path) -> None:
    right = followed(folder)
    (folder / NAME).unlink()
    (folder / NAME).mkdir()  # nothing replaces a folder
    said: list[str] = []
    assert followed(folder, said=said) == right
    assert len(said) == 1
    assert "no cache" in said[0]
    assert [path.name for path in folder.glob(f"{NAME}*")] == [NAME]


def test_what_cannot_be_used_is_a_line_each_and_the_others_count(folder: Path) -> None:
    right = followed(folder)
    (folder / "bare").mkdir()
    (folder / "foreign.jsonl").write_text("PID COMM\n")
    (folder / "newer.jsonl").write_text('{"schema":999,"kind":"machine"}\n')
    (folder / "empty.jsonl").touch()
    os.mkfifo(folder / "pipe.jsonl")
    (folder / os.fsdecode(b"\xff.jsonl")).touch()
    (folder / "gone.jsonl").symlink_to("nowhere")
    (folder / "loop.jsonl").symlink_to("loop.jsonl")
    whole = (folder / "11.jsonl").read_bytes()
    (folder / "11.jsonl").write_bytes(whole + b'{"schema":3,"kind":"trial","exp')
    said = faults_of(folder, folder / "missing", folder / "bare")
    assert len(said) == 10
    for name, why in (
        ("11.jsonl, line 18", "torn"),
        ("foreign.jsonl, line 1", "not a line of a journal"),
        ("newer.jsonl, line 1", "newer version"),
        ("empty.jsonl, line 1", "empty"),
        ("pipe.jsonl", "not a file"),
        ("\\udcff.jsonl, line 1", "empty"),
        ("gone.jsonl", "No such file"),
        ("loop.jsonl", "Too many levels"),
        ("missing", "does not exist"),
        ("bare", "no journal"),
    ):
        assert sum(str(folder / name) in line and why in line for line in said) == 1, said
    assert followed(folder, said=[]) == right
    assert faults_of(folder, folder / "missing", folder / "bare") == said  # from the cache as well


@pytest.mark.parametrize("name", ["", "missing", "bad.jsonl"])
def test_nothing_at_all_is_an_error_of_a_line(tmp_path: Path, name: str) -> None:
    if name == "bad.jsonl":
        (tmp_path / name).write_text("{}\n")
    with pytest.raises(JournalError, match="no number to follow") as caught:
        followed(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("started", ["yesterday", "", "9" * 400, "0001-01-01T00:00:00+23:59"])
def test_a_run_without_a_time_is_left_out(folder: Path, started: str) -> None:
    path = folder / "04.jsonl"
    head, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(
        json.dumps(json.loads(head) | {"started_utc": started}).encode() + b"\n" + rest
    )
    said: list[str] = []
    assert len(followed(folder, said=said).runs) in (11, 12)
    assert len(said) == (len(followed(folder).runs) == 11)


def run(*words: str | Path) -> int:
    return app.run(["history", *map(str, words)])


def test_each_form_shows_the_change(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "markdown"):
        assert run(folder, "--format", form) == 0
        out = capsys.readouterr().out
        assert "2026-01-08" in out
        assert "beyond the noise" in out
    assert run(folder, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == 1
    assert len(found["runs"]) == 12
    assert any(each["changes"] for each in found["series"])
    assert run(folder, "--full") == 0
    assert "▁▁▁▁▁▁▁████" in capsys.readouterr().out


@pytest.mark.slow
def test_the_page_lies_beside_the_journals(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--format", "html") == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == folder / "history.html"
    page = path.read_text(encoding="utf-8")
    assert page.count("<svg role=") >= 4
    assert "; worse, 2.1 % to 6.1 %" in page
    assert "stroke-dasharray" in page
    assert len(page) < 1_000_000


@pytest.mark.slow
def test_one_run_is_shown_without_a_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write(tmp_path / "one.jsonl", 1), "--full") == 0
    out = capsys.readouterr().out
    assert out.startswith("One run alone")
    assert "storm at 64 KiB" in out
    assert run(tmp_path, "--format", "html") == 0


def test_runs_too_few_for_a_change_are_no_sign_that_nothing_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in range(FEWEST_RUNS - 1):
        write(tmp_path / f"{day}.jsonl", day)
    assert run(tmp_path) == 0
    assert capsys.readouterr().out.startswith("Too few runs to see a change: ")


def test_what_was_asked_for_in_several_ways_has_the_time_of_its_first_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day, count in ((1, 1_000), (2, 2_000)):
        write(tmp_path / f"{day}.jsonl", day, count=count)
    assert run(tmp_path, "--format", "markdown") == 0
    out = capsys.readouterr().out
    assert "(as configured from 2026-01-02 00:00)" in out
    assert "(as configured from 2026-01-03 00:00)" in out


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--format", "html"],
        ["--output", "x.txt"],
        ["--format", "csv"],
        ["--full", "--json"],
    ],
)
def test_wrong_usage_is_an_error_of_a_line(folder: Path, words: list[str]) -> None:
    with pytest.raises(UsageError):
        run(folder, *words)


def test_without_polars_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BufbenchError, match="polars"):
        run(folder)
