# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

from pathlib import Path

import pytest

from bench.linux import cgroup
from bench.linux.cgroup import homes
from bench.linux.procfs import Mount


def group(folder: Path, pids_max: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pids.max").write_text(f"{pids_max}\n")


@pytest.mark.parametrize(
    ("kind", "options", "membership"),
    [
        ("cgroup", {"rw", "pids"}, "9:name=systemd:/x\n8:pids:/a/b\n0::/nowhere\n"),
        ("cgroup2", {"rw"}, "0::/a/b\n"),
    ],
)
def test_every_ancestor_counts(
    tmp_path: Path, kind: str, options: set[str], membership: str
) -> None:
    group(tmp_path / "a", "500")
    group(tmp_path / "a/b", "max")
    group(tmp_path / "a/sibling", "3")
    mount = Mount(tmp_path, "/", kind, frozenset(options))
    found = list(cgroup.process_limits(homes(membership, [mount], controller="pids")))
    assert found == [cgroup.ProcessLimit(500, str(tmp_path / "a/pids.max"))]


def test_a_container_sees_its_own_part_of_the_tree(tmp_path: Path) -> None:
    group(tmp_path, "100")
    group(tmp_path / "inner", "max")
    mount = Mount(tmp_path, "/docker/id", "cgroup2", frozenset())
    found = list(cgroup.process_limits(homes("0::/docker/id/inner\n", [mount], controller="pids")))
    assert found == [cgroup.ProcessLimit(100, str(tmp_path / "pids.max"))]


def test_other_controllers_say_nothing(tmp_path: Path) -> None:
    group(tmp_path, "5")
    mount = Mount(tmp_path, "/", "cgroup", frozenset({"rw", "memory"}))
    assert not list(cgroup.process_limits(homes("4:memory:/\n", [mount], controller="pids")))


def test_this_machine_has_a_limit() -> None:
    tightest = cgroup.tightest_process_limit()
    assert tightest.processes > 1
    assert tightest.source


def test_a_controller_is_handed_down_once_and_taken_back(tmp_path: Path) -> None:
    control = tmp_path / "cgroup.subtree_control"
    assert not cgroup.hand_down(tmp_path, "pids")  # version 1 has no such file
    cgroup.take_back(tmp_path / "gone", "pids")
    control.write_text("cpu memory\n")
    assert cgroup.hand_down(tmp_path, "pids")
    assert control.read_text() == "+pids"
    control.write_text("cpu memory pids\n")
    assert not cgroup.hand_down(tmp_path, "pids")
    cgroup.take_back(tmp_path, "pids")
    assert control.read_text() == "-pids"
