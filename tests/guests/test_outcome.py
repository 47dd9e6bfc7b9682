# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the outcome of a kernel: distinguished by how its guest ended and by what it left."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from bench.guests.watch import End, Ended
from bench.questions.kernels import outcome
from bench.questions.kernels.outcome import Outcome, Ran, Status

LIMIT_S = 100.0


def ended(end: End, code: int = 0) -> Ended:
    return Ended(end=end, seconds=12.0, code=code)


def leave(folder: Path, *, journal: bytes = b"a journal\n", status: Status = Status.DONE) -> None:
    """Leave what a guest leaves that came to its end."""
    (folder / outcome.JOURNAL).write_bytes(journal)
    ran = Ran(status=status, reason="a reason", release="6.1.0", trials=7)
    result = outcome.result_of(folder / outcome.JOURNAL, ran)
    (folder / outcome.RESULT).write_text(json.dumps(asdict(result)))


def test_a_whole_result_counts_however_the_guest_ended(tmp_path: Path) -> None:
    leave(tmp_path)
    for end in End:
        ran = outcome.judge(tmp_path, ended(end), LIMIT_S)
        assert (ran.status, ran.release, ran.trials) == (Status.DONE, "6.1.0", 7)


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNAVAILABLE])
def test_a_guest_may_say_that_it_failed(status: Status, tmp_path: Path) -> None:
    leave(tmp_path, status=status)
    ran = outcome.judge(tmp_path, ended(End.POWERED_OFF), LIMIT_S)
    assert (ran.status, ran.reason) == (status, "a reason")


@pytest.mark.parametrize("journal", [b"a journ", b"a journal\nand more\n", b"b journal\n", b""])
def test_another_journal_than_the_guest_wrote_is_torn(journal: bytes, tmp_path: Path) -> None:
    leave(tmp_path)
    (tmp_path / outcome.JOURNAL).write_bytes(journal)
    ran = outcome.judge(tmp_path, ended(End.POWERED_OFF), LIMIT_S)
    assert (ran.status, ran.trials) == (Status.TORN, 0)
    assert "journal" in ran.reason


def test_every_beginning_of_a_result_is_torn(tmp_path: Path) -> None:
    leave(tmp_path)
    whole = (tmp_path / outcome.RESULT).read_bytes()
    for length in range(1, len(whole)):
        (tmp_path / outcome.RESULT).write_bytes(whole[:length])
        assert outcome.judge(tmp_path, ended(End.RESET), LIMIT_S).status is Status.TORN


@pytest.mark.parametrize(
    ("end", "code", "status", "reason"),
    [
        (End.RESET, 0, Status.PANICKED, "Kernel panic - not syncing: Attempted to kill init!"),
        (End.TIMED_OUT, 0, Status.HUNG, "100 s"),
        (End.GONE, 255, Status.KILLED, "killed"),
        (End.STOPPED, 0, Status.KILLED, "stopped"),
        (End.BROKEN, 0, Status.FAILED, "QEMU gave the guest up: Rebooting"),
        (End.NEVER_STARTED, 2, Status.FAILED, "QEMU"),
        (End.POWERED_OFF, 0, Status.FAILED, "without a result"),
        (End.EXITED, 1, Status.FAILED, "without a result"),
        (End.EXITED, -9, Status.KILLED, "signal 9"),
    ],
)
def test_without_a_result(end: End, code: int, status: Status, reason: str, tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text(
        "[    1.0] booting\n"
        "[    2.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n"
        "[    2.1] Rebooting in 1 seconds..\n"
    )
    ran = outcome.judge(tmp_path, ended(end, code), LIMIT_S)
    assert ran.status is status
    assert reason in ran.reason
    assert "\n" not in ran.reason
    assert ran.trials == 0


def test_the_console_decides_nothing(tmp_path: Path) -> None:
    """Words of a panic that a program wrote are no panic."""
    (tmp_path / "console.log").write_text("Kernel panic - not syncing: said by a program\n")
    assert outcome.judge(tmp_path, ended(End.POWERED_OFF), LIMIT_S).status is Status.FAILED


def test_an_outcome_is_read_again(tmp_path: Path) -> None:
    assert outcome.read(tmp_path) is None
    for status in Status:
        found = Outcome(label="6.1", status=status, reason="", release="6.1.0", origin="here")
        outcome.write(tmp_path, found)
        assert outcome.read(tmp_path) == found
    (tmp_path / outcome.OUTCOME).write_text("{")
    assert outcome.read(tmp_path) is None


def test_nothing_that_a_guest_left_leads_elsewhere_or_blocks(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("content")
    folder = tmp_path / "6.1"
    folder.mkdir()
    (folder / f".{outcome.OUTCOME}").symlink_to(precious)
    os.mkfifo(folder / outcome.RESULT)
    (folder / "console.log").symlink_to(precious)
    ran = outcome.judge(folder, ended(End.RESET), LIMIT_S)
    assert (ran.status, "content" in ran.reason) == (Status.PANICKED, False)
    written = Outcome(label="6.1", status=ran.status, reason=ran.reason)
    outcome.write(folder, written)
    assert precious.read_text() == "content"
    assert outcome.read(folder) == written
    assert not (folder / outcome.OUTCOME).is_symlink()
