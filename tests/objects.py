# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide sources of small tracers that send in one way or another, and packages of them."""

from __future__ import annotations

import re
import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tracing import within

HEAD: Final = """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
char LICENSE[] SEC("license") = "%s";
struct event { unsigned long long time_ns; unsigned long long age_ns; int pid; char comm[16]; };
"""
MAPS: Final = {
    "ring": "__uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, %s);",
    "perf": "__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); "
    "__uint(value_size, 4);",
}
SENDS: Final = {
    "perf": "bpf_perf_event_output(context, &bench_map, BPF_F_CURRENT_CPU, &event, sizeof(event));",
    "ring": "bpf_ringbuf_output(&bench_map, &event, sizeof(event), 0);",
    "reserve": "struct event *place = bpf_ringbuf_reserve(&bench_map, sizeof(event), 0);"
    "if (place) { *place = event; %s(place, 0); }",
}
PROGRAM: Final = """\
SEC("%s") int handler(void *context)
{
	struct event event = { .time_ns = bpf_ktime_get_ns(), .age_ns = 5 };
	event.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	if ((unsigned)bpf_get_current_pid_tgid() != event.pid || *(int *)event.comm != %d)
		return 0;
	%s
	return 0;
}
"""
LOOP: Final = """\
static int send(unsigned index, struct event *event)
{
	bpf_ringbuf_output(&bench_map, event, sizeof(*event), 0);
	return 0;
}
"""
"""A callback that sends, for SENDS_IN_LOOP."""
SENDS_IN_LOOP: Final = "bpf_loop(10, send, &event, 0);"
DYNPTR: Final = (
    "struct bpf_dynptr place; bpf_ringbuf_reserve_dynptr(&bench_map, 40, 0, &place);"
    "bpf_ringbuf_submit_dynptr(&place, 0);"
)
ELF: Final = struct.Struct("<18xH20xQ10xHH")
"""Machine, place of the table of sections, bytes and number of its rows."""
BPF_MACHINE: Final = 247
EXIT: Final = "tp/sched/sched_process_exit"
STORM: Final = int.from_bytes(b"fork", "little")  # forkstorm


def source(
    sends: str,
    *,
    kind: str = "",
    section: str = EXIT,
    comm: int = STORM,
    entries: str = "1 << 16",
    licence: str = "GPL",
    before: str = "",
) -> str:
    """Return a tracer of the exits of processes whose name begins with these four bytes.

    ``before``: what stands before its program.
    """
    map_ = MAPS[kind or ("perf" if sends == SENDS["perf"] else "ring")].replace("%s", entries)
    declared = f'struct {{ {map_} }} bench_map SEC(".maps");\n'
    return HEAD % licence + declared + before + PROGRAM % (section, comm, sends)


def reserve(ending: str = "bpf_ringbuf_submit") -> str:
    """Return what sends by reserving, and ends so."""
    return SENDS["reserve"] % ending


def build(folder: Path, text: str) -> Path:
    """Return a package of this source, which is built once."""
    file = folder / "tool.json"
    file.write_bytes(_built(text))
    return file


@cache
def _built(text: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tool.bpf.c"
        path.write_text(text)
        return packaged(path, path.with_name("tool.json")).read_bytes()


def embedded(program: Path) -> bytes:
    """Return the BPF object that a program holds, as those with a skeleton do."""
    content = program.read_bytes()
    for found in re.finditer(rb"\x7fELF", content):
        elf = content[found.start() :]
        machine, sections_at, size, count = ELF.unpack_from(elf)
        if machine == BPF_MACHINE:
            return elf[: sections_at + size * count]
    raise ValueError(f"no BPF object in {program}")


def packaged(path: Path, file: Path) -> Path:
    """Return a package of the source in ``path``."""
    done = within("object", "build", str(path), "--event", "event", "--output", str(file))
    assert (done.returncode, done.stderr) == (0, ""), done
    return file
