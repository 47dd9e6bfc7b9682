# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a journal keeps what was finished, and says of all else where it is and why."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_trials import header, machine, trial

from bench.errors import ExitCode, JournalError
from bench.journal import bounds, reader
from bench.journal.reader import finished, last_run, read_journal, read_journals
from bench.journal.schema import LONGEST_LINE_BYTES, SCHEMA, RunHeader
from bench.journal.writer import JournalWriter, encode
from bench.trial.result import TrialResult

# What is measured lies within the bounds of a journal.
st.register_type_strategy(int, st.integers(-bounds.LARGEST, bounds.LARGEST))
st.register_type_strategy(
    float, st.floats(-1e18, 1e18).map(lambda x: x if abs(x) >= bounds.SMALLEST else 0.0)
)

TRIALS = [trial(arm, block) for block in range(2) for arm in ("ringbuf@8KiB", "perfbuf@8KiB")]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as writer:
        writer.write(header())
        for each in TRIALS:
            writer.write(each)
    return path


def test_what_was_written_is_read(journal: Path) -> None:
    content = read_journal(journal, strict=True)
    assert content.trials == tuple(TRIALS)
    assert [run.header for run in content.runs] == [header()]
    assert [run.header.machine for run in content.runs] == [machine()]


def test_every_line_has_its_schema_and_kind(journal: Path) -> None:
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert {line["schema"] for line in lines} == {SCHEMA}
    assert [line["kind"] for line in lines] == ["machine"] + ["trial"] * len(TRIALS)


@given(st.from_type(TrialResult))
def test_any_trial_comes_back_as_it_was(result: TrialResult) -> None:
    assert reader.decode(encode(result)) == result


@given(st.from_type(RunHeader))
def test_any_header_comes_back_as_it_was(made: RunHeader) -> None:
    assert reader.decode(encode(made)) == made


def test_an_argument_that_is_not_utf_8_spoils_nothing() -> None:
    made = replace(header(), command_line=("bufbench", os.fsdecode(b"\xff\xfe")))
    assert reader.decode(encode(made)) == replace(made, command_line=("bufbench", "??"))


def test_numbers_of_numpy_are_written_as_plain_ones() -> None:
    result = trial("ringbuf@8KiB", 0)
    odd = replace(result, ledger=replace(result.ledger, missed=np.int64(3)))
    assert json.loads(encode(odd))["ledger"]["missed"] == 3


@given(cut=st.integers(1, 2_000))
def test_wherever_a_line_is_torn_the_ones_before_it_are_kept(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    whole = b"".join([encode(header()), *(encode(each) for each in TRIALS)])
    last = len(encode(TRIALS[-1]))
    path.write_bytes(whole[: -min(cut, last - 1)])
    content = read_journal(path)
    if cut == 1:  # only the newline is missing: nothing is lost
        assert content.trials == tuple(TRIALS)
        assert content.faults == ()
        return
    assert content.trials == tuple(TRIALS[:-1])
    (fault,) = content.faults
    assert fault.line == 5
    assert "torn or damaged" in fault.reason or "not a line of a journal" in fault.reason
    assert "the file ends within it" in fault.reason


def test_strict_reading_refuses_a_torn_line(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-30])
    with pytest.raises(JournalError, match="line 5: torn"):
        read_journal(journal, strict=True)


def test_the_next_writer_cuts_a_torn_line_off(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-30])
    with JournalWriter(journal) as writer:
        writer.write(replace(header(), resumed=True))
        writer.write(TRIALS[-1])
    content = read_journal(journal, strict=True)
    assert len(content.runs) == 1
    assert content.trials == tuple(TRIALS)


def test_a_line_that_was_joined_to_a_torn_one_is_kept(journal: Path) -> None:
    torn = journal.read_bytes()[:-30]
    journal.write_bytes(torn + encode(header("there")) + encode(TRIALS[0]))
    content = read_journal(journal)
    assert [run.header.machine.hostname for run in content.runs] == ["here", "there"]
    assert [len(run.trials) for run in content.runs] == [3, 1]
    assert [fault.line for fault in content.faults] == [5]


def test_journals_concatenate(journal: Path) -> None:
    other = encode(header("there")) + encode(TRIALS[0])
    journal.write_bytes(journal.read_bytes() + other)
    runs = read_journal(journal, strict=True).runs
    assert [(run.header.machine.hostname, len(run.trials)) for run in runs] == [
        ("here", 4),
        ("there", 1),
    ]


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    (fault,) = read_journal(path).faults
    assert (fault.line, fault.reason) == (1, "empty")
    with pytest.raises(JournalError, match=r"no trial to report on: .*line 1: empty"):
        read_journals([path])


def test_a_journal_without_trials_is_named(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "begun.jsonl") as writer:
        writer.write(header())
    with pytest.raises(JournalError, match=r"no trial to report on: .*begun\.jsonl$"):
        read_journals([tmp_path / "begun.jsonl"])


@pytest.mark.parametrize(
    "text", [b"\x7fELF\x00\x01" * 100, b'{"name": "x"}\n' * 50, b"[]\n", b"1\n", b"\n", b"\xff\n"]
)
def test_a_foreign_file_is_recognised_by_its_first_line(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "foreign"
    path.write_bytes(text)
    content = read_journal(path)
    assert content.trials == ()
    (fault,) = content.faults
    assert fault.line == 1


def test_a_newer_line_is_named_and_the_trials_before_it_kept(journal: Path) -> None:
    newer = json.dumps({"schema": SCHEMA + 1, "kind": "machine", "new": 1}, separators=(",", ":"))
    alien = encode(TRIALS[0])  # of a run whose own line cannot be read
    journal.write_bytes(journal.read_bytes() + newer.encode() + b"\n" + alien)
    content = read_journal(journal)
    assert content.trials == tuple(TRIALS)
    reasons = {fault.line: fault.reason for fault in content.faults}
    assert f"newer version (schema {SCHEMA + 1}" in reasons[6]
    assert "1 trial left out" in reasons[7]


@pytest.mark.parametrize("schema", [2, 3])
def test_the_health_of_a_soak_is_read_over(journal: Path, schema: int) -> None:
    health = f'{{"schema":{schema},"kind":"health","elapsed_s":4.6,"trials":10,"maps":5}}\n'
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], health.encode(), *lines[2:]]))
    assert read_journal(journal, strict=True).trials == tuple(TRIALS)


def test_a_wrong_field_is_named_and_only_its_trial_lost(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"block":0', b'"block":"none"')
    journal.write_bytes(b"".join(lines))
    content = read_journal(journal)
    assert content.trials == (TRIALS[0], *TRIALS[2:])
    (fault,) = content.faults
    assert fault.line == 3
    assert "block" in fault.reason


def test_an_unknown_field_of_the_same_schema_is_ignored(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes().replace(b'"kind":"trial"', b'"kind":"trial","x":1'))
    assert read_journal(journal, strict=True).trials == tuple(TRIALS)


def test_an_unknown_kind_is_named(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes() + b'{"schema":1,"kind":"song"}\n')
    (fault,) = read_journal(journal).faults
    assert "unknown kind 'song'" in fault.reason


def test_a_line_without_end_is_not_read_whole(journal: Path) -> None:
    long = b'{"schema":1,"kind":"trial","x":"' + b"y" * (2 * LONGEST_LINE_BYTES) + b'"}\n'
    journal.write_bytes(journal.read_bytes() + long + encode(header("there")))
    content = read_journal(journal)
    assert len(content.runs) == 2
    (fault,) = content.faults
    assert (fault.line, fault.reason) == (6, "too long for a journal")


def test_faults_have_an_end(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes() + b"noise\n" * 1_000)
    content = read_journal(journal)
    assert content.trials == tuple(TRIALS)
    assert len(content.faults) < 30
    assert "given up" in content.faults[-1].reason


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_what_cannot_be_opened_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalError, match="cannot be read") as caught:
        read_journal(tmp_path / name)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with (
        pytest.raises(JournalError, match=r"No such file.*0 trials of this run safe.*--output"),
        JournalWriter(tmp_path / "absent" / "journal.jsonl"),
    ):
        pass


def test_a_foreign_file_is_never_written_to(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine\nnot finished")
    with pytest.raises(JournalError, match="is not a journal"), JournalWriter(path):
        pass
    assert path.read_text() == "mine\nnot finished"


def test_two_runs_cannot_mix_their_lines(journal: Path) -> None:
    with (
        JournalWriter(journal),
        pytest.raises(JournalError, match="being written by another run"),
        JournalWriter(journal),
    ):
        pass


def test_a_full_disk_keeps_the_trials_before_and_no_half_line(tmp_path: Path) -> None:
    # A real failing write: the process may not make files longer than this.
    path = tmp_path / "journal.jsonl"
    first = len(encode(header())) + len(encode(TRIALS[0]))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with JournalWriter(path) as writer:
            writer.write(header())
            writer.write(TRIALS[0])
            resource.setrlimit(resource.RLIMIT_FSIZE, (first + 100, before[1]))
            with pytest.raises(JournalError, match=r"cannot be written.*1 trial of this run safe"):
                writer.write(TRIALS[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.stat().st_size == first
    assert read_journal(path, strict=True).trials == (TRIALS[0],)


@pytest.mark.parametrize(
    ("resumable", "remedy"), [(True, "then continue with --resume"), (False, "then run it again")]
)
def test_a_full_disk_names_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remedy: str, *, resumable: bool
) -> None:
    path = tmp_path / "journal.jsonl"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with JournalWriter(path, resumable=resumable) as writer:
        writer.write(header())
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(JournalError, match=rf"No space left.*make room, {remedy}"):
            writer.write(TRIALS[0])
    assert read_journal(path, strict=True).trials == ()


def test_ctrl_c_within_a_write_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    write = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:50])
        raise KeyboardInterrupt

    with JournalWriter(path) as writer:
        writer.write(header())
        monkeypatch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.write(TRIALS[0])
    assert path.read_bytes() == encode(header())


def test_a_resumed_run_is_one_run(journal: Path) -> None:
    later = trial("ringbuf@8KiB", 2)
    with JournalWriter(journal) as writer:
        writer.write(reader.as_resumed(header(), header()))
        writer.write(later)
    (run,) = read_journal(journal, strict=True).runs
    assert run.trials == (*TRIALS, later)


def test_a_continuation_of_another_run_is_separate(journal: Path) -> None:
    stray = encode(reader.as_resumed(header("there"), header()))
    journal.write_bytes(journal.read_bytes() + stray + encode(TRIALS[0]))
    assert len(read_journal(journal, strict=True).runs) == 2


def test_finished_trials_are_known_again(journal: Path) -> None:
    run = last_run(journal, header())
    assert run is not None
    assert finished(run) == {
        ("storm", trial.arm, block): trial.config for trial in TRIALS[:2] for block in (0, 1)
    }


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (header(seed=2), "seed 1, not 2"),
        (header(profile="standard"), "profile 'quick', not 'standard'"),
        (header("there"), "host 'here', not 'there'"),
    ],
)
def test_another_run_is_not_resumed(journal: Path, other: RunHeader, what: str) -> None:
    with pytest.raises(JournalError, match=what):
        last_run(journal, other)


def test_a_clone_s_run_is_not_resumed(tmp_path: Path) -> None:
    first, other = (replace(header(), machine=replace(machine(), identity=each)) for each in "ab")
    path = tmp_path / "journal.jsonl"
    path.write_bytes(encode(first))
    assert last_run(path, first) is not None
    with pytest.raises(JournalError, match="identity 'a', not 'b'"):
        last_run(path, other)
    path.write_bytes(encode(header()))  # before it was recorded
    assert last_run(path, other) is not None


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"of another kind\n")
    with pytest.raises(JournalError, match="nothing to resume"):
        last_run(path, header())


@pytest.mark.parametrize("begun", [b"", b'{"sch', encode(header())[:-30]])
def test_a_run_that_was_killed_in_its_first_line_begins_anew(tmp_path: Path, begun: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(begun)
    assert last_run(path, header()) is None


def test_writing_a_journal_imports_nothing_heavy() -> None:
    heavy = "import sys, bench.journal.writer, bench.journal.reader; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", heavy], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pydantic", "scipy", "rich", "bcc"} & set(loaded)


def test_a_journal_that_got_no_line_is_not_left(tmp_path: Path) -> None:
    made, found = tmp_path / "made.jsonl", tmp_path / "found.jsonl"
    found.touch()
    for path in (made, found):
        with pytest.raises(KeyboardInterrupt), JournalWriter(path):
            raise KeyboardInterrupt
    assert not made.exists()
    assert found.exists()


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\n\n"),
        lambda text: text + b"\n \n",
    ],
    ids=["mark", "crlf", "both", "blank lines", "blank end"],
)
def test_what_an_editor_changes_is_no_fault(tmp_path: Path, edit: Callable[[bytes], bytes]) -> None:
    path, edited = tmp_path / "run.jsonl", tmp_path / "edited.jsonl"
    with JournalWriter(path) as writer:
        writer.write(header())
        for block in range(3):
            writer.write(trial("ringbuf@8KiB", block))
    edited.write_bytes(edit(path.read_bytes()))
    assert read_journal(edited, strict=True) == read_journal(path, strict=True)
    with JournalWriter(edited) as writer:  # and a run can go on with it
        writer.write(trial("ringbuf@8KiB", 3))
    assert len(read_journal(edited, strict=True).trials) == 4


def test_a_mark_anywhere_else_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with JournalWriter(path) as writer:
        writer.write(header())
        writer.write(trial("ringbuf@8KiB", 0))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"\xef\xbb\xbf" + second)
    assert read_journal(path).faults


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/null"])
def test_a_device_is_no_journal_even_where_it_has_no_end(device: str) -> None:
    with pytest.raises(JournalError, match=f"{device} cannot be read: it is a device"):
        read_journals([Path(device)])
