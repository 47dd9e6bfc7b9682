# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that temporary folders are private, and the next start sweeps those of killed owners."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import MachineUnfit
from bench.host import scratch

OWNER = """
import sys, time
from bench.host import scratch
with scratch.folder() as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("content")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the place of folders in these tests, also of those of other processes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(scratch, "_SYSTEM", tmp_path / "no" / "such" / "place")
    return tmp_path


@pytest.fixture
def owner(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield another process, and the folder that it holds."""
    code = OWNER.replace(
        "with", f"import pathlib; scratch._SYSTEM = pathlib.Path({str(place / 'no' / 'x')!r})\nwith"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        yield other, Path(other.stdout.readline().strip())
        other.kill()


def test_a_folder_is_private_and_goes_with_its_content(place: Path) -> None:
    with scratch.folder() as folder, scratch.folder() as second:
        assert folder.parent == second.parent == place
        assert folder.stat().st_mode & 0o7777 == 0o700
        assert folder != second
        (folder / "file").write_text("content")
    assert not list(place.iterdir())


def test_what_a_killed_owner_left_is_swept_by_the_next_start(
    owner: tuple[subprocess.Popen[str], Path],
) -> None:
    other, folder = owner
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (folder / "deep" / "file").exists()
    with scratch.folder():
        assert not folder.exists()


def test_a_living_owners_folder_stays(owner: tuple[subprocess.Popen[str], Path]) -> None:
    _, folder = owner
    scratch.sweep()
    assert (folder / "deep" / "file").exists()


def test_no_symbolic_link_is_followed(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    precious = tmp_path_factory.mktemp("precious") / "file"
    precious.write_text("content")
    (place / f"{scratch.PREFIX}link").symlink_to(precious.parent)
    inside = place / f"{scratch.PREFIX}dead"
    inside.mkdir()
    (inside / "link").symlink_to(precious.parent)
    scratch.sweep()
    assert not inside.exists()
    assert precious.exists()
    assert (place / f"{scratch.PREFIX}link").is_symlink()


def test_other_names_are_nobody_s_but_their_owner_s(place: Path) -> None:
    (place / "bufbench-results").mkdir()
    scratch.sweep()
    assert (place / "bufbench-results").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns a place of its own")
@pytest.mark.parametrize("trap", ["a link", "open to all", "another's"])
def test_a_place_that_another_user_prepared_is_not_used(
    trap: str,
    place: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = tmp_path_factory.mktemp("run") / "bufbench"
    if trap == "a link":
        prepared.symlink_to(tmp_path_factory.mktemp("elsewhere"))
    else:
        prepared.mkdir()
        prepared.chmod(0o777 if trap == "open to all" else 0o700)
        if trap == "another's":
            os.chown(prepared, 12345, 12345)
    monkeypatch.setattr(scratch, "_SYSTEM", prepared)
    with scratch.folder() as folder:
        assert folder.parent == place
    monkeypatch.setattr(scratch, "_SYSTEM", prepared.parent / "fine")
    with scratch.folder() as folder:
        assert folder.parent == prepared.parent / "fine"
        assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_nowhere_to_go_has_a_remedy(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "gone"))
    with pytest.raises(MachineUnfit, match="set TMPDIR"), scratch.folder():
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_what_is_mounted_in_a_swept_folder_is_let_go(place: Path) -> None:
    left = place / f"{scratch.PREFIX}left"
    (left / "mounted").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", left / "mounted"], check=True)
    (left / "mounted" / "file").write_text("content")
    scratch.sweep()
    assert not left.exists()
    assert str(left) not in Path("/proc/self/mountinfo").read_text()
