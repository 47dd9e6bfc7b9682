# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Parse a tracepoint's format file, as kernels before and after group_dead write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.linux import tracefs
from bench.tracer import btf

COMMON = """\
name: sched_process_exit
ID: 310
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:char comm[16];	offset:8;	size:16;	signed:0;
	field:pid_t pid;	offset:24;	size:4;	signed:1;
	field:int prio;	offset:28;	size:4;	signed:1;
"""
LATER = "\tfield:bool group_dead;	offset:32;	size:1;	signed:0;\n"
PRINT = '\nprint fmt: "comm=%s pid=%d prio=%d", REC->comm, REC->pid, REC->prio\n'


def test_fields_of_an_older_kernel() -> None:
    assert btf.tracepoint_fields(COMMON + PRINT) == {
        "common_type": 0, "common_flags": 2, "common_pid": 4, "comm": 8, "pid": 24, "prio": 28,
    }  # fmt: skip


def test_fields_of_a_newer_kernel() -> None:
    assert btf.tracepoint_fields(COMMON + LATER + PRINT)["group_dead"] == 32


@given(st.text())
def test_nonsense_has_no_fields(text: str) -> None:
    assert all(at >= 0 for at in btf.tracepoint_fields(text).values())


@pytest.mark.live
def test_the_running_kernels_format() -> None:
    fields = btf.tracepoint_fields(tracefs.exit_format())
    assert fields["common_type"] == 0
    assert 8 <= fields["comm"] < fields["pid"]
