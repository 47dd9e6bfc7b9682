# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test parsers on recorded text, and readers on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.linux import procfs
from bench.linux.capabilities import Capability

INTERRUPTS = """\
           CPU0       CPU2
 26:        517          0   PCI-MSIX-0000:00:01.0   0-edge      virtio0-config
LOC:      23555      31616   Local timer interrupts
IWI:         12          7   IRQ work interrupts
ERR:          0
"""
STATUS = """\
Name:\tpython3
VmPin:\t     132 kB
VmRSS:\t    1948 kB
CapInh:\t0000000000000000
CapEff:\t000000c000000000
"""
RING_FDINFO = """\
pos:\t0
flags:\t02000002
map_type:\t27
max_entries:\t65536
memlock:\t78128
"""
PROGRAM_FDINFO = "prog_type:\t5\nprog_jited:\t1\nmemlock:\t4096\nrecursion_misses:\t17\n"
MOUNTINFO = r"""
23 27 0:22 / /sys rw,relatime - sysfs sysfs rw
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:12 - cgroup cgroup rw,pids
41 31 0:38 /docker/a\040b /sys/fs/cgroup/uni\040fied rw,relatime - cgroup2 cgroup2 rw,nsdelegate
42 23 0:13 / /sys/kernel/tracing rw,relatime - tracefs tracefs rw
"""


def as_list(cpus: set[int]) -> str:
    """Write a set of CPUs as the kernel does, found the slow way."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges) + "\n"


@given(st.sets(st.integers(0, 300)))
def test_cpu_lists_come_back(cpus: set[int]) -> None:
    assert procfs.parse_cpu_list(as_list(cpus)) == tuple(sorted(cpus))


def test_cpu_times_count_guests_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stat").write_text("cpu  1000 0 1000 1000 0 0 0 500 700 0\n")
    monkeypatch.setattr("psutil.PROCFS_PATH", str(tmp_path))
    times, a_second = procfs.cpu_times(), os.sysconf("SC_CLK_TCK")
    assert times.total_s == pytest.approx(3_500 / a_second)
    assert times.steal_s == pytest.approx(500 / a_second)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_steal_share_is_a_share(total: int, steal: int, worked: int, stolen: int) -> None:
    earlier = procfs.CpuTimes(total_s=total, steal_s=steal)
    later = procfs.CpuTimes(total_s=total + worked + stolen, steal_s=steal + stolen)
    share = later.steal_share_since(earlier)
    assert share * (worked + stolen) == pytest.approx(stolen)


def test_irq_work_is_that_of_all_cpus() -> None:
    assert procfs.parse_irq_work(INTERRUPTS) == 19


def test_no_irq_work_row_is_not_zero() -> None:
    assert procfs.parse_irq_work(INTERRUPTS.replace("IWI", "XYZ")) is None
    assert procfs.parse_irq_work("") is None


def test_sizes_are_bytes() -> None:
    sizes = procfs.parse_numbers(STATUS)
    assert (sizes["VmPin"], sizes["VmRSS"]) == (132 * 1024, 1948 * 1024)
    assert "Name" not in sizes


def test_capabilities_are_bits() -> None:
    bits = procfs.parse_capabilities(STATUS)
    assert bits == 1 << Capability.BPF | 1 << Capability.PERFMON
    assert procfs.parse_capabilities("") == 0


def test_fdinfo_distinguishes_none_from_zero() -> None:
    ring = procfs.parse_numbers(RING_FDINFO)
    assert (ring["memlock"], ring.get("recursion_misses")) == (78128, None)
    assert procfs.parse_numbers(PROGRAM_FDINFO)["recursion_misses"] == 17


def test_mounts_with_blanks_and_optional_fields() -> None:
    mounts = procfs.parse_mountinfo(MOUNTINFO)
    assert [mount.kind for mount in mounts] == ["sysfs", "cgroup", "cgroup2", "tracefs"]
    assert "pids" in mounts[1].options
    assert mounts[2].point == Path("/sys/fs/cgroup/uni fied")
    assert mounts[2].root == "/docker/a b"


def test_numbers_are_read_or_none(tmp_path: Path) -> None:
    for text, number in [("42\n", 42), ("-1\n", -1), ("max\n", None), ("", None)]:
        (tmp_path / "file").write_text(text)
        assert procfs.read_number(tmp_path / "file") == number
    assert procfs.read_number(tmp_path / "missing") is None


def test_this_machine() -> None:
    assert set(os.sched_getaffinity(0)) <= set(procfs.online_cpus())
    assert procfs.process_memory().rss_bytes > 1 << 20
    assert procfs.mount_point("proc") == Path("/proc")
    assert procfs.mount_point("no such kind") is None
    assert (procfs.sysctl("kernel.pid_max") or 0) > 300
    assert procfs.clock_source()
    assert os.getpid() not in procfs.bpf_holders()


def test_time_passes() -> None:
    before = procfs.cpu_times()
    while procfs.cpu_times().total_s <= before.total_s:
        pass
    assert 0 <= procfs.cpu_times().steal_share_since(before) <= 1
