# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what the kernel says of memory: mappings, free pages, and where memory cgroups are."""

from __future__ import annotations

import mmap
from contextlib import ExitStack
from pathlib import Path

from bench.host.memory_group import Hierarchy, place
from bench.linux import procfs
from bench.linux.cgroup import homes
from bench.linux.procfs import parse_free_pages, parse_mountinfo

ZONES = """\
Node 0, zone      DMA
  pages free     3840
        boost    0
      nr_free_pages 3840
  pagesets
    cpu: 0
              count:    0
              high:     0
    cpu: 1
              count:    5
Node 0, zone   Normal
      nr_free_pages 100000
      nr_zone_inactive_anon 17
    cpu: 0
              count:    300
"""

V1 = "25 1 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
V2 = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"


def where(membership: str, mounts: str) -> Hierarchy | None:
    return place(homes(membership, parse_mountinfo(mounts), controller="memory"))


def test_mappings_are_added_up_by_their_whole_name(tmp_path: Path) -> None:
    path = tmp_path / "mapped"
    path.write_bytes(bytes(8 * mmap.PAGESIZE))
    names = frozenset({str(path)})
    with ExitStack() as stack, path.open("rb") as file:
        for pages in (8, 4):
            view = stack.enter_context(
                mmap.mmap(file.fileno(), pages * mmap.PAGESIZE, prot=mmap.PROT_READ)
            )
            assert view[0] == 0  # which maps it
        found = procfs.mappings(names)
        assert procfs.mappings(frozenset({path.name})) == procfs.Mappings(
            length_bytes=0, rss_bytes=0
        )
    assert found.length_bytes == 12 * mmap.PAGESIZE
    assert 0 < found.rss_bytes <= found.length_bytes
    assert procfs.mappings(names).length_bytes == 0


def test_free_pages_include_what_each_cpu_keeps_at_hand() -> None:
    assert parse_free_pages(ZONES) == 3_840 + 100_000 + 5 + 300
    assert parse_free_pages("") is None


def test_version_1_groups_are_made_within_this_process_s() -> None:
    found = where("4:memory:/a/b\n0::/\n", V1 + V2)
    assert found is not None
    assert found.usage == "memory.usage_in_bytes"
    assert found.root == found.home == Path("/sys/fs/cgroup/memory/a/b")


def test_version_2_groups_are_made_at_the_root() -> None:
    found = where("0::/user.slice/session-1.scope\n", V2)
    assert found is not None
    assert found.usage == "memory.current"
    assert found.root == Path("/sys/fs/cgroup")
    assert found.home == Path("/sys/fs/cgroup/user.slice/session-1.scope")


def test_a_container_sees_its_own_part_of_the_tree() -> None:
    found = where("4:memory:/docker/x/job\n", V1.replace(" / /sys", " /docker/x /sys"))
    assert found is not None
    assert found.home == Path("/sys/fs/cgroup/memory/job")


def test_no_memory_group_is_reported() -> None:
    assert where("5:pids:/\n", V1.replace("memory", "pids")) is None
