# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a storm runs as nobody, without capabilities, in a cgroup, and dies with its parent."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracing import bufbench, eventually

from bench.errors import MachineUnfit, UsageError
from bench.host import process, scratch
from bench.linux import capabilities, procfs
from bench.linux.cgroup import homes
from workloads import cgroup, user
from workloads.generator import EXECUTABLE, Generator
from workloads.storm import Shape, Storm
from workloads.user import StormUser

needs_root = pytest.mark.skipif(
    not capabilities.held() >= user._TO_CHANGE_USER, reason="may not change user"
)
ENDLESS = Storm(shape=Shape.BURST, count=10_000_000, burst_size=20, workers=3, pause_ms=5.0)
NOBODY = 65_534


def status(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", text, re.MULTILINE))


@pytest.fixture
def group() -> Iterator[cgroup.Cgroup]:
    with cgroup.made() as made:
        if made is None:
            pytest.skip("no cgroup can be made here")
        yield made


@needs_root
def test_whatever_a_storm_makes_has_no_privileges() -> None:
    with Generator(ENDLESS) as generator:
        generator.go()
        assert eventually(lambda: len(process.members(generator.session)) > 3)
        seen = []
        for pid in process.members(generator.session):
            try:
                seen.append(status(pid))
            except OSError:  # it has ended
                continue
    assert len(seen) > 1
    for fields in seen:
        assert fields["Uid"].split() == [str(NOBODY)] * 4
        assert fields["Gid"].split() == [str(user._ids("nobody")[1])] * 4
        assert fields["Groups"] == ""
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(fields[name], 16) == 0, name
        assert fields["NoNewPrivs"] == "1"


@needs_root
@pytest.mark.parametrize(
    ("name", "uid", "held"), [("root", 0, True), ("daemon", 1, False), ("54321", 54_321, False)]
)
def test_another_user_may_be_chosen(name: str, uid: int, held: bool) -> None:
    with Generator(Storm(count=10), user=user.chosen(name)) as generator:
        fields = status(generator.session)
        generator.go()
        report = generator.wait(20)
    assert report.user_id == uid
    assert fields["Uid"].split()[1] == str(uid)
    assert (int(fields["CapEff"], 16) != 0) is held
    assert (fields["NoNewPrivs"] == "0") is held


def test_who_may_not_change_user_gives_capabilities_up_all_the_same() -> None:
    with Generator(Storm(count=10), user=StormUser()) as generator:
        fields = status(generator.session)
        generator.go()
        assert generator.wait(20).user_id == os.geteuid()
    assert int(fields["CapPrm"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("name", ["no-such-user", "", "-1", "4294967295", "99999999999", "٣"])
def test_an_unknown_user_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="there is no user"):
        user.chosen(name)


@pytest.mark.slow
def test_the_command_line_refuses_it_in_a_line() -> None:
    ended = bufbench("run", "--storm-user", "no such user")
    assert ended.returncode == 2
    expected = "bufbench: there is no user 'no such user'; choose another --storm-user\n"
    assert (ended.stdout, ended.stderr) == ("", expected)


@needs_root
def test_a_user_that_the_kernel_refuses_is_reported(tmp_path: Path) -> None:
    script = tmp_path / "weaker"
    script.write_text(
        f'#!/bin/sh\nexec setpriv --bounding-set=-setuid {shlex.quote(str(EXECUTABLE))} "$@"\n'
    )
    script.chmod(0o755)
    with pytest.raises(MachineUnfit, match=r"cannot become user 1 .*--storm-user"):
        Generator(Storm(), executable=script, user=StormUser(ids=(1, 1))).__enter__()


@needs_root
def test_children_exec_from_a_home_that_is_closed_to_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    install = home / "install"
    install.mkdir(parents=True)
    for name in ("forkstorm", "tiny"):
        shutil.copy(EXECUTABLE.with_name(name), install)
    home.chmod(0o700)
    for folder_mode, file_mode in ((0o755, 0o755), (0o700, 0o755), (0o755, 0o700)):
        install.chmod(folder_mode)
        (install / "tiny").chmod(file_mode)
        storm = Storm(count=40, execute=True, exit_code=None)
        with Generator(storm, executable=install / "forkstorm") as generator:
            generator.go()
            report = generator.wait(20)
        assert report.failed == {}
        assert sorted(report.exit_statuses) == [code << 8 for code in range(40)]
        assert report.user_id == NOBODY


HARNESS = """
import sys, time
from workloads.generator import Generator
from workloads.storm import Shape, Storm
with Generator(Storm(shape=Shape.BURST, count=10_000_000, burst_size=20, workers=3)) as generator:
    generator.go()
    print(generator.session, flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
@needs_root
@pytest.mark.parametrize("victim", ["harness", "generator"])
def test_nobody_outlives_its_parent(victim: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS], stdout=subprocess.PIPE, text=True
    ) as harness:
        assert harness.stdout
        leader = int(harness.stdout.readline())
        try:
            assert eventually(lambda: len(process.members(leader)) > 3)
            assert status(leader)["Uid"].split()[0] == str(NOBODY)
            os.kill(harness.pid if victim == "harness" else leader, signal.SIGKILL)
            assert eventually(lambda: not process.members(leader))
        finally:
            harness.kill()


@needs_root
def test_the_storm_is_bounded_by_a_cgroup_of_bufbench(group: cgroup.Cgroup) -> None:
    storm = Storm(shape=Shape.BURST, count=600, burst_size=300)
    with Generator(storm, cgroup=group) as generator:
        assert cgroup._members(group.folder) == {generator.session}
        assert (group.folder / "pids.max").read_text() == f"{302 + 64}\n"
        generator.go()
        report = generator.wait(30)
    assert report.failed == {}
    assert report.lowered_from == 0


@needs_root
def test_more_than_was_planned_is_refused_by_the_kernel(group: cgroup.Cgroup) -> None:
    with Generator(ENDLESS, cgroup=group) as generator:
        group.bound(10)
        generator.go()
        assert eventually(lambda: (group.folder / "pids.events").read_text() != "max 0\n")
        os.kill(generator.session, signal.SIGTERM)
        report = generator.wait(30)
    assert report.failed["EAGAIN"] > 0


@needs_root
def test_a_cgroup_that_was_removed_does_not_end_a_run(group: cgroup.Cgroup) -> None:
    group.folder.rmdir()
    with Generator(Storm(count=10), cgroup=group) as generator:
        generator.go()
        assert generator.wait(20).reaped == 12


@needs_root
def test_what_leaves_the_session_does_not_leave_the_cgroup(group: cgroup.Cgroup) -> None:
    script = "import os, time; os.setsid(); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as stray:
        group.add(stray.pid)
        assert stray.stdout
        stray.stdout.readline()
        cgroup._kill(group.folder)
    assert stray.returncode == -signal.SIGKILL
    cgroup._remove(group.folder)
    assert not group.folder.exists()


OWNER = """
import time
from workloads import cgroup
with cgroup.made() as group:
    print(group.folder, flush=True)
    time.sleep(60)
"""


@needs_root
def test_a_cgroup_that_a_killed_run_left_is_swept(group: cgroup.Cgroup) -> None:
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        left = Path(other.stdout.readline().strip())
        with cgroup.made():
            assert left.exists()  # its owner lives
        other.kill()
    assert left.name.startswith(scratch.PREFIX)
    assert left.exists()
    with cgroup.made() as new:
        assert new is not None
        assert not left.exists()
    assert not new.folder.exists()
    assert group.folder.exists()


def mount(point: Path, kind: str, options: str, root: str = "/") -> procfs.Mount:
    return procfs.Mount(point, root, kind, frozenset(options.split(",")))


def test_where_a_cgroup_may_be_made(tmp_path: Path) -> None:
    unified, pids = tmp_path / "unified", tmp_path / "pids"
    (unified / "a/b").mkdir(parents=True)
    mounts = [mount(unified, "cgroup2", "rw")]
    assert (
        cgroup.usable(homes("0::/a/b\n", mounts, controller="pids")) is None
    )  # no controllers at all
    (unified / "a/b/cgroup.controllers").write_text("cpu io pids\n")
    assert cgroup.usable(homes("0::/a/b\n", mounts, controller="pids")) == unified / "a/b"
    container = [mount(unified / "a", "cgroup2", "rw", root="/a")]
    assert cgroup.usable(homes("0::/a/b\n", container, controller="pids")) == unified / "a/b"

    (pids / "a").mkdir(parents=True)
    mounts += [
        mount(tmp_path / "cpu", "cgroup", "rw,cpu,cpuacct"),
        mount(pids, "cgroup", "rw,pids"),
    ]
    assert (
        cgroup.usable(homes("9:cpu,cpuacct:/\n8:pids:/a\n0::/\n", mounts, controller="pids"))
        == pids / "a"
    )
    assert cgroup.usable(homes("8:pids:/gone\n", mounts, controller="pids")) is None
    assert cgroup.usable(homes("", mounts, controller="pids")) is None
