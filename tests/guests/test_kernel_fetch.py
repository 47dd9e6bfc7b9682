# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Fetch kernels from a made-up archive: by the real APT, as people call it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_archive import ARCH, Archive, split, whole
from tracing import BUFBENCH, eventually, reaches

from bench.host import process

NEEDED = ("apt-get", "dpkg-deb", "gpg", "gpg-agent", "gpgconf")
PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(
            missing := [name for name in (*NEEDED, "depmod") if not shutil.which(name, path=PATHS)]
        ),
        reason=f"there is no {', '.join(missing)}",
    ),
]

OLD, NEW = f"6.1.0-9-{ARCH}", f"6.1.0-56-{ARCH}"
REALTIME = f"6.1.0-56-rt-{ARCH}"
SPLIT, BARE = f"7.3.4-{ARCH}", f"6.19.14-{ARCH}"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    archive = Archive(tmp_path_factory.mktemp("archive"))
    archive.publish(
        whole(OLD, "6.1.9-1"),
        whole(NEW, "6.1.192-2", modules=400),
        whole(REALTIME, "6.1.192-2"),
        *split(SPLIT, "7.3.4-1"),
        *split(BARE, "6.19.14-1", modules=False),
    )
    yield archive
    archive.close()


class User:
    """Act as a user with a cache and a kernels.toml."""

    def __init__(self, folder: Path, toml: str) -> None:
        self.folder = folder
        self.images = folder / "a cache/bufbench/kernels/images"
        (folder / "kernels.toml").write_text(toml)
        # PYTHONPATH: a checkout that the tests run in is relative to where they were started.
        python = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
        self.env = {"XDG_CACHE_HOME": str(folder / "a cache"), "PYTHONPATH": python}

    def __call__(self, *words: str) -> process.Completed:
        return process.run(
            [*BUFBENCH, "kernels", *words],
            timeout_s=60,
            check=False,
            cwd=self.folder,
            env=self.env,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*BUFBENCH, "kernels", *words],
            cwd=self.folder,
            env={**os.environ, **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def whole(self) -> set[str]:
        """Return the kernels that are there; each must be complete."""
        folders = [path for path in self.images.glob("*") if not path.name.startswith(".")]
        for folder in folders:
            release = json.loads((folder / "kernel.json").read_text())["release"]
            files = folder / "lib/modules" / release
            assert (files / "vmlinuz").stat().st_size > 1_000_000
            assert len(list(files.glob("kernel/fs/*.ko"))) == {NEW: 400, OLD: 3, SPLIT: 1}[release]
            assert (files / "modules.dep").exists()
        return {path.name for path in folders}

    def remains(self) -> list[str]:
        """Return what unfinished fetches left behind."""
        return [path.name for path in self.images.glob(".*")]


@pytest.fixture
def user(tmp_path: Path, published: Archive) -> User:
    return User(tmp_path, published.toml())


def only_line(done: process.Completed) -> str:
    """Return the error, which must be one line, behind lines about what was being done."""
    *_, last = done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    assert last.startswith("bufbench: ")
    return last


def test_kernels_are_listed_fetched_and_pruned(user: User) -> None:
    listed = json.loads(user("list", "--json").stdout)
    shown = [(row["series"], row["flavour"], row["release"], row["modules"]) for row in listed]
    assert shown == [
        ("6.1", "", NEW, True),
        ("6.1", "rt", REALTIME, True),
        ("6.19", "", BARE, False),
        ("7.3", "", SPLIT, True),
    ]
    assert OLD in user("list", "--all").stdout

    done = user("fetch", "6.1", "7.3", OLD, "--json")
    assert done.returncode == 0
    first, second, third = json.loads(done.stdout)
    assert (first["label"], first["release"]) == ("6.1", NEW)
    assert first["origin"] == f"Made up kernels, linux-image-{NEW} 6.1.192-2"
    files = Path(first["modules"])
    assert files.parts[-3:] == ("lib", "modules", NEW)
    assert (files / "config").read_text() == "CONFIG_PREEMPT_RT=y\n"
    assert not list(files.rglob("big.ko*"))
    assert Path(second["vmlinuz"]).parent == Path(second["modules"])
    assert third["release"] == OLD
    assert len(user.whole()) == 3

    again = user("fetch", "6.1")
    assert "fetching" not in again.stderr
    assert [row["fetched"] for row in json.loads(user("list", "--json").stdout)] == [
        True,
        False,
        False,
        True,
    ]

    pruned = user("prune").stdout
    assert OLD in pruned
    assert NEW not in pruned
    assert len(user.whole()) == 2
    assert user("prune", "--all").returncode == 0
    assert not user.whole()
    assert not list(user.images.parent.glob("apt-*"))


def test_an_unknown_name_costs_no_download(user: User) -> None:
    done = user("run", "6.1", "6.99", "--output", "run")
    assert done.returncode == 2
    assert "6.99" in only_line(done)
    assert not user.whole()
    assert not (user.folder / "run").exists()


def test_a_kernel_without_modules_can_be_fetched(user: User) -> None:
    done = user("fetch", "6.19", "--json")
    assert f"{BARE}: its modules have left the archive" in done.stderr
    (image,) = json.loads(done.stdout)
    assert image["modules"] is None
    assert Path(image["vmlinuz"]).is_file()


def test_what_was_fetched_serves_without_the_archive(user: User, published: Archive) -> None:
    assert user("fetch", "6.1").returncode == 0
    (user.folder / "kernels.toml").write_text(published.toml("gone"))
    done = user("fetch", "6.1")
    assert done.returncode == 0
    assert "only what was fetched before can be used" in done.stderr
    assert user("fetch", "7.3").returncode == 2


def test_old_lists_serve_where_new_ones_cannot_be_had(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    archive.publish(whole(OLD, "6.1.9-1"))
    archive.close()
    user = User(tmp_path, archive.toml())
    before = user("list").stdout
    (archive.folder / "dists").rename(tmp_path / "away")
    done = user("list", "--update")
    assert done.returncode == 0
    assert done.stdout == before
    (_, line) = done.stderr.splitlines()
    assert "no list of kernels could be fetched" in line
    assert line.endswith(" are used")


def test_a_suite_that_is_gone_is_reported_and_costs_nothing_else(
    user: User, published: Archive
) -> None:
    (user.folder / "kernels.toml").write_text(published.toml("gone", "kernels"))
    done = user("fetch", "7.3")
    assert done.returncode == 0
    (line,) = (line for line in done.stderr.splitlines() if "no fresh list" in line)
    assert line.startswith("bufbench: no fresh list of Made up gone: ")


def test_a_package_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    archive.publish(whole(OLD, "6.1.9-1"))
    archive.close()
    package = archive.file_of(f"linux-image-{OLD}")
    content = bytearray(package.read_bytes())
    content[len(content) // 2] ^= 1
    package.write_bytes(content)
    user = User(tmp_path, archive.toml())
    done = user("fetch", "6.1")
    assert done.returncode == 3
    assert "Hash Sum mismatch" in only_line(done)
    assert not user.whole()
    assert not user.remains()


def test_a_list_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    archive.publish(whole(OLD, "6.1.9-1"))
    archive.close()
    (packages,) = archive.folder.rglob("Packages")
    packages.write_text(packages.read_text().replace("6.1.9-1", "6.1.8-1"))
    done = User(tmp_path, archive.toml())("list")
    assert done.returncode == 3
    assert "no list of kernels could be fetched" in only_line(done)


def test_a_list_signed_with_another_key_is_refused(tmp_path: Path, published: Archive) -> None:
    other = Archive(tmp_path / "other")
    other.close()
    done = User(tmp_path, published.toml(keyring=other.keyring))("list")
    assert done.returncode == 3
    assert "signed with a key that its keyring does not hold" in only_line(done)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('keyring = "', 'keyring = "/nowhere'), "its keyring /nowhere"),
        (('uri = "file:', 'uri = "http://127.0.0.1:9'), "is there a network?"),
    ],
)
def test_what_cannot_be_reached_is_one_line(
    tmp_path: Path, published: Archive, change: tuple[str, str], said: str
) -> None:
    done = User(tmp_path, published.toml().replace(*change))("list")
    assert done.returncode == 3
    assert said in done.stderr
    only_line(done)


def test_two_fetches_at_once_download_once(user: User) -> None:
    assert user("list").returncode == 0
    both = [user.start("fetch", "6.1", "--json") for _ in range(2)]
    outputs = [each.communicate(timeout=60) for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert outputs[0][0] == outputs[1][0]
    assert sum(f"fetching {NEW}" in stderr for _, stderr in outputs) == 1
    assert len(user.whole()) == 1


@pytest.mark.parametrize("stage", ["packages/*.deb", "tree/lib/modules/*", "lib/modules/*/kernel"])
def test_killed_at_any_moment_a_kernel_is_whole_or_absent(user: User, stage: str) -> None:
    assert user("list").returncode == 0
    fetching = user.start("fetch", "6.1")
    reaches(fetching, lambda: bool([*user.images.glob(f".partial-*/{stage}")]))
    fetching.send_signal(signal.SIGKILL)
    fetching.communicate()
    assert user.whole() or user.remains()

    assert user("list").returncode == 0  # the next start sweeps
    assert not user.remains()
    assert user("fetch", "6.1").returncode == 0
    assert len(user.whole()) == 1


@pytest.mark.parametrize("program", ["apt-get", "dpkg-deb", "depmod"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_by_a_signal_nothing_of_it_is_left(
    user: User, program: str, number: signal.Signals
) -> None:
    assert user("list").returncode == 0
    slow = user.folder / "slow" / program  # so that there is time for it however busy the machine
    slow.parent.mkdir()
    slow.write_text('#!/bin/sh\necho $$ > "$0.pid"\nexec sleep 60\n')
    slow.chmod(0o755)
    user.env["PATH"] = f"{slow.parent}:{os.environ['PATH']}"
    fetching = user.start("fetch", "6.1")
    assert eventually(lambda: read(slow.with_suffix(".pid")).endswith("\n"))
    fetching.send_signal(number)
    _, stderr = fetching.communicate(timeout=30)
    assert eventually(lambda: not Path("/proc", read(slow.with_suffix(".pid")).strip()).exists())
    assert "Traceback" not in stderr
    if number != signal.SIGKILL:
        assert fetching.returncode == 128 + number
        if "at once" in stderr:  # the rest is left to the next start
            del user.env["PATH"]
            assert user("list").returncode == 0
        assert not user.remains()


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_nothing_of_the_host_is_written(tmp_path: Path, published: Archive) -> None:
    # In a mount namespace where everything else is read-only; hooks that write would fail.
    user = User(tmp_path, published.toml())
    script = (
        'mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift && touch "$0" 2>/dev/null '
        '&& exit 99; exec "$@"'
    )
    command = [*BUFBENCH, "kernels", "fetch", "7.3"]
    done = process.run(
        ["unshare", "--mount", "sh", "-c", script, "/var/lib/apt/touched", tmp_path, *command],
        timeout_s=60,
        check=False,
        cwd=tmp_path,
        env={**user.env, "TMPDIR": str(tmp_path)},  # APT's own small files
    )
    assert done.returncode == 0, done.stderr
    assert len(user.whole()) == 1
