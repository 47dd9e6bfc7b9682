# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench object compare: one tracer on both transports, its losses against known truth."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import pytest
import schemas
from jsonschema import Draft202012Validator
from tracing import BUFBENCH, bufbench, eventually

from bench.host import process
from bench.linux import bpf

pytestmark = [pytest.mark.slow, pytest.mark.live]

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
EXIT: Final = "tp/sched/sched_process_exit"
BUILT: Final[dict[str, bytes]] = {}
"""Packages by their sources."""
STORM: Final = int.from_bytes(b"fork", "little")  # forkstorm


def source(
    sends: str,
    *,
    kind: str = "",
    section: str = EXIT,
    comm: int = STORM,
    entries: str = "1 << 16",
    licence: str = "GPL",
) -> str:
    """Return a tracer of the exits of processes whose name begins with these four bytes."""
    map_ = MAPS[kind or ("perf" if sends == SENDS["perf"] else "ring")].replace("%s", entries)
    declared = f'struct {{ {map_} }} bench_map SEC(".maps");\n'
    return HEAD % licence + declared + PROGRAM % (section, comm, sends)


def reserve(ending: str = "bpf_ringbuf_submit") -> str:
    return SENDS["reserve"] % ending


def build(folder: Path, text: str) -> Path:
    """Make the package of a tracer, built once."""
    source, file = folder / "tool.bpf.c", folder / "tool.json"
    if text not in BUILT:
        source.write_text(text)
        words = ("object", "build", str(source), "--event", "event", "--output", str(file))
        done = bufbench(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        BUILT[text] = file.read_bytes()
    file.write_bytes(BUILT[text])
    return file


def compare(file: Path, *words: str) -> process.Completed:
    return bufbench("object", "compare", str(file), "--wait", *words, timeout_s=180)


def compared(file: Path, *words: str) -> dict[str, Any]:
    done = compare(file, "--json", *words)
    assert done.returncode == 0, done
    found: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(schemas.schema("object-compare")).validate(found)
    for each in found["rounds"]:
        assert each["attempted"] == each["failed"] + each["delivered"] + each["discarded"], each
    return found


def listed() -> list[str]:
    """Return what runs, by its command line."""
    return process.run(["ps", "-eo", "args"], timeout_s=20).stdout.splitlines()


def nothing_left() -> bool:
    return eventually(
        lambda: all(
            each.name not in ("bench_map", "bufbench_counts", "bufbench_ring", "bufbench_perf")
            for each in bpf.maps()
        )
    )


@pytest.mark.parametrize(("kind", "other"), [("perf", "ringbuf"), ("ring", "perfbuf")])
def test_both_transports_stand_beside_each_other(kind: str, other: str, tmp_path: Path) -> None:
    found = compared(
        build(tmp_path, source(SENDS[kind])),
        *("--blocks", "2", "--seconds", "200ms", "--stamp", "time_ns", "--budget", "256K"),
    )
    assert (found["other"], found["alone"], found["uncounted"]) == (other, "", "")
    assert found["sides"] == ["ringbuf", "perfbuf"]
    assert sorted((each["block"], each["side"]) for each in found["rounds"]) == [
        (0, "perfbuf"), (0, "ringbuf"), (1, "perfbuf"), (1, "ringbuf"),
    ]  # fmt: skip
    for each in found["rounds"]:
        # The generator's own exit comes after those that it reaped.
        assert each["attempted"] == each["processes"] + 1 > 100
        assert each["data_bytes"] == 256 << 10
        assert each["misdated"] == 0
        assert 0 < each["latency_p50_ns"] <= each["latency_p99_ns"] <= each["latency_max_ns"] < 1e9
        assert 0 < each["kernel_ns"] < 1e9
        assert each["consumer_cpu_ns"] > 0
        assert 0 < each["peak_bytes"] <= each["data_bytes"]
    numbers = {each["key"]: each for each in found["numbers"]}
    assert numbers["kernel_ns_per_run"]["estimate"]["blocks"] == 2
    assert nothing_left()


def test_the_context_is_kept_below_all_that_is_on_the_stack(tmp_path: Path) -> None:
    """Use most of the stack through a register that the compiler would not take."""
    stores = "".join(f"*(u64 *)(r7 - {at}) = r8;" for at in range(48, 408, 8))
    deep = f'asm volatile("r6 = r10; r7 = r6; r7 += -8; r8 = 0; {stores}" ::: "r6", "r7", "r8");'
    found = compared(
        build(tmp_path, source(deep + SENDS["ring"], kind="ring")),
        *("--blocks", "1", "--seconds", "100ms", "--budget", "256K"),
    )
    assert (found["other"], found["alone"]) == ("perfbuf", "")


@pytest.mark.parametrize("kind", ["perf", "ring"])
def test_losses_are_counted_to_the_last_one(kind: str, tmp_path: Path) -> None:
    """Send 500 events at once at each exit, into a page; the kernel counts those of perf itself."""
    many = f"for (int i = 0; i < 500; i++) {{ {SENDS[kind]} }}"
    file = build(tmp_path, source(many, kind=kind))
    found = compared(file, "--blocks", "2", "--rate", "500", "--seconds", "200ms", "--budget", "8K")
    for each in found["rounds"]:
        assert each["attempted"] == 500 * (each["processes"] + 1) == 500 * 103
        assert each["failed"] > 1_000
        if each["side"] == "perfbuf" and each["lost_told"] is not None:
            assert each["failed"] == each["lost_told"], "PERF_FORMAT_LOST, of Linux 6.0"


@pytest.mark.parametrize(
    ("sends", "complaint", "discarded"),
    [
        (reserve(), "it calls bpf_ringbuf_reserve, bpf_ringbuf_submit", False),
        (
            reserve("bpf_ringbuf_discard"),
            "it calls bpf_ringbuf_reserve, bpf_ringbuf_discard",
            True,
        ),
        (
            (
                "struct bpf_dynptr place; bpf_ringbuf_reserve_dynptr(&bench_map, 40, 0, &place);"
                "bpf_ringbuf_submit_dynptr(&place, 0);"
            ),
            "it calls bpf_ringbuf_reserve_dynptr, bpf_ringbuf_submit_dynptr",
            False,
        ),
    ],
    ids=["submit", "discard", "dynptr"],
)
def test_reserved_records_are_counted_and_stay_on_their_ring(
    sends: str, complaint: str, discarded: bool, tmp_path: Path
) -> None:
    many = f"for (int i = 0; i < 200; i++) {{ {sends} }}"
    file = build(tmp_path, source(many, kind="ring", entries="4096"))
    found = compared(file, "--blocks", "2", "--rate", "500", "--seconds", "200ms")
    assert (found["own"], found["other"], found["alone"]) == (["ringbuf"], "", complaint)
    assert found["sides"] == ["ringbuf"]
    for each in found["rounds"]:
        assert each["attempted"] == 200 * (each["processes"] + 1)
        assert each["failed"] > 1_000
        assert (each["discarded"] > 0) == discarded == (each["delivered"] == 0)


@pytest.mark.parametrize("section", ["raw_tp/sched_process_exit", "tp_btf/sched_process_exit"])
def test_every_kind_of_attachment_gets_the_rewritten_program(section: str, tmp_path: Path) -> None:
    file = build(tmp_path, source(SENDS["ring"], section=section))
    found = compared(file, "--blocks", "1", "--rate", "500", "--seconds", "200ms")
    assert found["other"] == "perfbuf", found["alone"]
    for each in found["rounds"]:
        assert each["attempted"] == each["processes"] + 1


def test_a_command_is_run_once_a_round_and_its_end_is_seen(tmp_path: Path) -> None:
    tiny = tmp_path / "quaint"
    shutil.copy(shutil.which("true") or "", tiny)
    file = build(tmp_path, source(SENDS["perf"], comm=int.from_bytes(b"quai", "little")))
    loop = f"for i in 1 2 3 4 5 6 7; do {tiny}; done; exit 9"
    found = compared(file, "--blocks", "2", "--", "sh", "-c", loop)
    assert [each["attempted"] for each in found["rounds"]] == [7] * 4
    assert {each["ended"] for each in found["rounds"]} == {9}
    done = compare(file, "--blocks", "1", "--", "sh", "-c", loop)
    assert "The command ended with 9 in 2 of 2 rounds." in " ".join(done.stdout.split())


def test_a_command_without_an_end_is_ended(tmp_path: Path) -> None:
    file = build(tmp_path, source(SENDS["perf"]))
    found = compared(file, "--blocks", "1", "--seconds", "300ms", "--", "sleep", "123.456")
    assert all(0.3 <= each["seconds"] < 3 for each in found["rounds"])
    assert "sleep 123.456" not in listed()


def test_a_command_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    done = compare(build(tmp_path, source(SENDS["perf"])), "--", "/nonexistent/command")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    assert "cannot run /nonexistent/command: No such file" in done.stderr
    assert nothing_left()


def test_where_calls_cannot_be_counted_runs_are(tmp_path: Path) -> None:
    tails = (
        "struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(key_size, 4);"
        '__uint(value_size, 4); __uint(max_entries, 1); } tails SEC(".maps");'
    )
    file = build(tmp_path, source(SENDS["ring"]) + tails)
    done = compare(file, "--json", "--blocks", "1", "--rate", "500", "--seconds", "200ms")
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert "it makes tail calls" in found["uncounted"]
    assert found["alone"] == found["uncounted"]
    (each,) = found["rounds"]
    assert each["failed"] is None
    assert each["attempted"] >= each["delivered"] == each["processes"] + 1
    assert each["attempted"] == each["kernel_runs"]


def test_a_licence_that_perf_output_does_not_take_leaves_the_object_alone(tmp_path: Path) -> None:
    file = build(tmp_path, source(SENDS["ring"], licence="MIT"))
    found = compared(file, "--blocks", "1", "--seconds", "100ms")
    assert found["uncounted"] == found["other"] == ""
    assert "GPL" in found["alone"]


def test_what_is_no_stamp_is_noted(tmp_path: Path) -> None:
    file = build(tmp_path, source(SENDS["ring"]))
    words = ("--blocks", "1", "--rate", "500", "--seconds", "100ms")
    found = compared(file, *words, "--stamp", "age_ns")
    for each in found["rounds"]:
        assert each["misdated"] == each["delivered"] > 0
        assert each["latency_p50_ns"] is None
    done = compare(file, *words, "--stamp", "age_ns")
    assert "is not a time of CLOCK_MONOTONIC" in done.stdout
    refused = compare(file, "--stamp", "pid")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "choose from time_ns, age_ns" in refused.stderr


@pytest.mark.parametrize(
    ("text", "code", "complaint"),
    [
        (HEAD % "GPL" + PROGRAM % (EXIT, STORM, ""), 2, "no ring buffer and no perf event array"),
        (source(SENDS["ring"], entries="1 << 30"), 2, "take more than 256 MiB: bench_map"),
        (source(SENDS["ring"], section="xdp"), 3, "cannot be attached to xdp"),
        (
            source("*(int *)bpf_ringbuf_reserve(&bench_map, 8, 0) = 1;"),
            3,
            "the kernel refuses this object: program handler: ",
        ),
    ],
    ids=["no maps", "1 GiB", "xdp", "verifier"],
)
def test_hostile_objects_end_in_a_line(
    text: str, code: int, complaint: str, tmp_path: Path
) -> None:
    done = compare(build(tmp_path, text), "--blocks", "1")
    assert (done.returncode, done.stdout) == (code, ""), done
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert nothing_left()


def test_a_truncated_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tool.bpf.o").write_bytes(b"\x7fELF" + bytes(100))
    done = compare(tmp_path / "tool.bpf.o")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_endless_output_ends_in_time(tmp_path: Path) -> None:
    many = f"for (int i = 0; i < 200; i++) {{ {SENDS['ring']} }}"
    file = build(
        tmp_path,
        source(many, kind="ring", section="raw_tp/sys_enter", comm=int.from_bytes(b"sh", "little")),
    )
    begun = time.monotonic()
    loop = "while :; do kill -0 $$; done"
    words = ("--blocks", "1", "--seconds", "500ms", "--", "sh", "-c", loop)
    found = compared(file, *words)
    assert time.monotonic() - begun < 30
    assert all(each["attempted"] > 10_000 for each in found["rounds"])
    assert nothing_left()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interrupted_comparison_leaves_nothing(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    file = build(tmp_path, source(SENDS["perf"]))
    words = [*BUFBENCH, "object", "compare", str(file), "--wait", "--", "sleep", "6.543"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as started:
        assert eventually(lambda: "sleep 6.543" in listed())
        assert any(each.name == "bench_map" for each in bpf.maps())
        started.send_signal(number)
    assert started.returncode == code
    assert nothing_left()
    if number != signal.SIGKILL:
        assert "sleep 6.543" not in listed()
