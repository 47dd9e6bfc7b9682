# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_trials import machine

from bench.linux import cgroup, cpus, procfs
from bench.linux.cgroup import homes
from bench.linux.procfs import MOST_CPUS, Mount, parse_cpu_list


@given(st.frozensets(st.integers(0, MOST_CPUS - 1), max_size=200))
def test_a_list_is_read_back(numbers: frozenset[int]) -> None:
    assert parse_cpu_list(cpus.list_format(tuple(numbers))) == tuple(sorted(numbers))


def test_a_list_is_written_as_the_kernel_writes_it() -> None:
    assert cpus.list_format((0, 1, 2, 5, 7, 8)) == "0-2,5,7-8"
    assert cpus.list_format(()) == ""


def test_usable_are_the_online_ones_that_affinity_allows() -> None:
    allowed = os.sched_getaffinity(0)
    assert cpus.usable() == tuple(sorted(allowed))
    try:
        os.sched_setaffinity(0, {max(allowed)})
        assert cpus.usable() == (max(allowed),)
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_cpu_that_is_offline_is_not_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "online_cpus", lambda: (max(os.sched_getaffinity(0)) + 1,))
    assert cpus.usable() == ()


@pytest.mark.parametrize(
    ("files", "granted"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.cfs_quota_us": "5\n", "cpu.cfs_period_us": "0\n"}, None),
        ({}, None),
    ],
)
def test_a_quota_is_the_cpus_worth_of_time(
    tmp_path: Path, files: dict[str, str], granted: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cgroup.quota_of(tmp_path) == granted


def test_the_least_quota_of_all_ancestors_holds(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("200000 100000\n")
    (tmp_path / "a/cpu.max").write_text("75000 100000\n")
    mount = Mount(tmp_path, "/", "cgroup2", frozenset())
    assert cgroup.quota(homes("0::/a/b\n", [mount], controller="cpu")) == 0.75
    assert cgroup.quota(homes("0::/\n", [mount], controller="cpu")) is None


@pytest.mark.parametrize(
    ("cpu_stat", "seconds"),
    [
        ("usage_usec 9\nnr_periods 4\nnr_throttled 2\nthrottled_usec 1500000\n", 1.5),
        ("nr_periods 4\nnr_throttled 2\nthrottled_time 2500000000\n", 2.5),
        ("usage_usec 9\n", None),  # no controller
        ("throttled_usec x\n", None),
        ("", None),
    ],
)
def test_throttled_time_of_both_versions(cpu_stat: str, seconds: float | None) -> None:
    assert cgroup.parse_throttled_s(cpu_stat) == seconds


def test_a_machine_counts_the_cpus_that_a_run_used() -> None:
    online = replace(machine(), cpus_online=4, online_cpus="0-3", usable_cpus="0-3")
    assert online.cpus == 4
    some = replace(online, usable_cpus="1,3")
    assert some.cpus == 2
    old = replace(machine(), cpus_online=4)
    assert old.cpus == 4
    assert replace(online, usable_cpus="nonsense").cpus == 4
