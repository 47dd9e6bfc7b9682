# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the kernel says of memory: mappings, free pages, and where memory cgroups are."""

from __future__ import annotations

from pathlib import Path

from bench.host.memory_group import place
from bench.linux.cgroup import homes
from bench.linux.procfs import parse_free_pages, parse_mountinfo, parse_smaps

SMAPS = """\
55d0c8a00000-55d0c8a02000 r--p 00000000 fe:00 2097 /usr/bin/anon_inode:bpf-map
Size:                  8 kB
Rss:                   8 kB
7f0000000000-7f0000001000 rw-s 00000000 00:10 1066                       anon_inode:bpf-map
Size:                  4 kB
KernelPageSize:        4 kB
Rss:                   4 kB
VmFlags: rd wr sh mr mw me ms
7f0000001000-7f0000022000 r--s 00001000 00:10 1066                       anon_inode:bpf-map
Size:                132 kB
Rss:                 132 kB
7f0000022000-7f0000023000 rw-p 00000000 00:00 0
Size:                  4 kB
Rss:                   4 kB
7f0000030000-7f0000039000 rw-s 00000000 00:10 1066                       anon_inode:[perf_event]
Size:                 36 kB
Rss:                   0 kB
"""

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


def test_mappings_are_added_up_by_their_whole_name() -> None:
    rings = parse_smaps(SMAPS, frozenset({"anon_inode:bpf-map"}))
    assert (rings.length_bytes, rings.rss_bytes) == (136 * 1024, 136 * 1024)
    perf = parse_smaps(SMAPS, frozenset({"anon_inode:[perf_event]"}))
    assert (perf.length_bytes, perf.rss_bytes) == (36 * 1024, 0)
    assert parse_smaps("", frozenset({"x"})).length_bytes == 0


def test_free_pages_include_what_each_cpu_keeps_at_hand() -> None:
    assert parse_free_pages(ZONES) == 3_840 + 100_000 + 5 + 300
    assert parse_free_pages("") is None


def test_version_1_groups_are_made_within_our_own() -> None:
    found = place(homes("4:memory:/a/b\n0::/\n", parse_mountinfo(V1 + V2), controller="memory"))
    assert found is not None
    assert (found.version, found.usage) == (1, "memory.usage_in_bytes")
    assert found.root == found.home == Path("/sys/fs/cgroup/memory/a/b")


def test_version_2_groups_are_made_at_the_root() -> None:
    found = place(
        homes("0::/user.slice/session-1.scope\n", parse_mountinfo(V2), controller="memory")
    )
    assert found is not None
    assert (found.version, found.usage) == (2, "memory.current")
    assert found.root == Path("/sys/fs/cgroup")
    assert found.home == Path("/sys/fs/cgroup/user.slice/session-1.scope")


def test_a_container_sees_its_own_part_of_the_tree() -> None:
    mounts = parse_mountinfo(V1.replace(" / /sys", " /docker/x /sys"))
    found = place(homes("4:memory:/docker/x/job\n", mounts, controller="memory"))
    assert found is not None
    assert found.home == Path("/sys/fs/cgroup/memory/job")


def test_no_memory_group_is_told() -> None:
    assert (
        place(
            homes("5:pids:/\n", parse_mountinfo(V1.replace("memory", "pids")), controller="memory")
        )
        is None
    )
