# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test who owns written files (under sudo, its caller), and that they are replaced whole or not."""

from __future__ import annotations

import os
import resource
import signal
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from made_up_trials import header

from bench.cli import output
from bench.host import ownership
from bench.journal.writer import JournalWriter

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as sudo has it")

CALLER = (12_345, 23_456)


@pytest.fixture(autouse=True)
def _sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(CALLER[0]))
    monkeypatch.setenv("SUDO_GID", str(CALLER[1]))


def owner(path: Path) -> tuple[int, int]:
    seen = path.lstat()
    return seen.st_uid, seen.st_gid


def test_folders_and_files_that_are_new(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "deep"
    ownership.make_folder(folder)
    ownership.write(folder / "page.html", b"text")
    output.write(folder / "table.csv", "text")
    with JournalWriter(folder / "journal.jsonl") as writer:
        writer.write(header())
    for path in (folder.parent, folder, *folder.iterdir()):
        assert owner(path) == CALLER, path
        assert path.is_dir() or path.stat().st_mode & 0o777 == 0o644
    assert owner(tmp_path) == (0, 0)


def test_what_was_there_keeps_its_owner(tmp_path: Path) -> None:
    old = tmp_path / "old.html"
    old.write_text("before, and longer")
    ownership.write(old, b"after")
    ownership.make_folder(tmp_path)
    assert (owner(old), owner(tmp_path)) == ((0, 0), (0, 0))
    assert old.read_text() == "after"


def test_no_link_leads_to_a_change_of_owner(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("content")
    (tmp_path / "link").symlink_to(precious)
    (tmp_path / "name").hardlink_to(precious)
    for name in ("link", "name"):
        ownership.hand_over(tmp_path / name)
        ownership.write(tmp_path / name, b"content")
    (tmp_path / "folder").symlink_to(tmp_path)
    ownership.make_folder(tmp_path / "folder" / "below")
    assert owner(precious) == (0, 0)
    assert owner(tmp_path) == (0, 0)
    assert owner(tmp_path / "below") == CALLER


def test_a_folder_that_becomes_a_link_meanwhile_is_not_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    (precious / "below").mkdir(parents=True)
    mkdir = os.mkdir

    def swap(name: str, *rest: int, **given: int) -> None:
        mkdir(name, *rest, **given)
        if Path(name).name == "new":  # as any process that may write to its parent can
            (tmp_path / "new").rename(tmp_path / "aside")
            (tmp_path / "new").symlink_to(precious)

    monkeypatch.setattr(os, "mkdir", swap)
    with suppress(OSError):
        ownership.make_folder(tmp_path / "new" / "below")
    assert owner(precious / "below") == (0, 0)
    assert not list((precious / "below").iterdir())


def test_what_a_library_wrote_is_handed_over(tmp_path: Path) -> None:
    written = tmp_path / "benchmark.json"
    written.write_text("{}")
    ownership.hand_over(written)
    ownership.hand_over(tmp_path / "missing")
    assert owner(written) == CALLER


def test_what_is_no_plain_file_is_not_even_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    os.mknod(tmp_path / "device", 0o600 | stat.S_IFCHR, os.makedev(10, 255))  # open fails or acts
    precious = tmp_path / "precious"
    precious.touch()
    (tmp_path / "link").symlink_to(precious)
    (tmp_path / "plain").touch()
    (tmp_path / "folder").mkdir()
    ownership.hand_over_all(tmp_path)
    owners = {path.name: owner(path) for path in tmp_path.iterdir()}
    mine = {"plain", "precious"}
    assert {name for name, each in owners.items() if each == CALLER} == mine


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SUDO_UID": "5"},
        {"SUDO_UID": "-1", "SUDO_GID": "5"},
        {"SUDO_UID": "x", "SUDO_GID": ""},
        {"SUDO_UID": "9" * 20, "SUDO_GID": "5"},
        {"SUDO_UID": "5", "SUDO_GID": str(2**32 - 1)},
    ],
)
def test_without_sudo_nobody_called(environment: dict[str, str]) -> None:
    assert ownership.caller(environment) is None


@pytest.mark.parametrize("before", [None, b"", b"an earlier page"])
def test_nothing_is_changed_where_there_is_no_room(tmp_path: Path, before: bytes | None) -> None:
    page, limits = tmp_path / "page.html", resource.getrlimit(resource.RLIMIT_FSIZE)
    if before is not None:
        page.write_bytes(before)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            ownership.write(page, b"x" * 1_001)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (page.read_bytes() if page.exists() else None) == before


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 10_000])
def test_a_file_that_was_there_is_replaced_whole(tmp_path: Path, content: bytes) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(b"an earlier page")
    ownership.write(page, content)
    assert page.read_bytes() == content
