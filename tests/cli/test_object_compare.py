# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench object compare: one tracer on both transports, its losses against known truth."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import schemas
from jsonschema import Draft202012Validator
from objects import (
    DYNPTR,
    EXIT,
    HEAD,
    LOOP,
    MAPS,
    PROGRAM,
    SENDS,
    SENDS_IN_LOOP,
    STORM,
    build,
    embedded,
    reserve,
    source,
)
from tracing import BUFBENCH, bufbench, eventually, on_one_cpu

from bench.host import process
from bench.linux import bpf

pytestmark = [pytest.mark.slow, pytest.mark.live]

SHORT = ("--blocks", "1", "--rate", "500", "--seconds", "200ms", "--budget", "256K")
EVENT_BYTES = 40
NOT_INLINED = "in a function that is not inlined has no context"


def compare(file: Path, *words: str, before: Sequence[str] = ()) -> process.Completed:
    words = ("object", "compare", str(file), "--wait", *words)
    return bufbench(*words, before=before, timeout_s=180)


def compared(file: Path, *words: str, before: Sequence[str] = ()) -> dict[str, Any]:
    done = compare(file, "--json", *words, before=before)
    assert done.returncode == 0, done
    found: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(schemas.schema("object-compare")).validate(found)
    for each in found["rounds"]:
        assert each["attempted"] == each["failed"] + each["delivered"] + each["discarded"], each
    return found


def listed() -> list[str]:
    """Return what runs, by its command line."""
    found = psutil.process_iter(["cmdline"])
    return [" ".join(each.info["cmdline"] or ()) for each in found]


def nothing_left() -> bool:
    return eventually(
        lambda: all(
            each.name not in ("bench_map", "bufbench_counts", "bufbench_ring", "bufbench_perf")
            for each in bpf.maps()
        )
    )


@pytest.mark.parametrize(("kind", "other"), [("perf", "ringbuf"), ("ring", "perfbuf")])
def test_both_transports_stand_beside_each_other(kind: str, other: str, tmp_path: Path) -> None:
    file, began_ns = build(tmp_path, source(SENDS[kind])), time.monotonic_ns()
    found = compared(
        file,
        *("--blocks", "2", "--rate", "1000", "--seconds", "200ms", "--stamp", "time_ns"),
        *("--budget", "256K"),
    )
    took_ns = time.monotonic_ns() - began_ns
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
        assert 0 < each["latency_p50_ns"] <= each["latency_p99_ns"] <= each["latency_max_ns"]
        assert each["latency_max_ns"] < took_ns
        assert 0 < each["kernel_ns"] < took_ns
        assert each["consumer_cpu_ns"] > 0
        assert 0 < each["peak_bytes"] <= each["data_bytes"]
    numbers = {each["key"]: each for each in found["numbers"]}
    assert numbers["kernel_ns_per_run"]["estimate"]["blocks"] == 2
    assert nothing_left()


def test_an_object_of_another_project_is_compared_on_both_transports(tmp_path: Path) -> None:
    """exitsnoop of libbpf-tools, as the distribution built it. It reports any process."""
    if (program := shutil.which("exitsnoop")) is None:
        pytest.skip("libbpf-tools are not installed")
    file = tmp_path / "exitsnoop.bpf.o"
    file.write_bytes(embedded(Path(program)))
    found = compared(file, "--blocks", "2", "--rate", "1000", "--seconds", "200ms")
    assert (found["alone"], found["uncounted"]) == ("", "")
    assert sorted({each["side"] for each in found["rounds"]}) == ["perfbuf", "ringbuf"]
    for each in found["rounds"]:
        assert each["attempted"] > each["processes"] > 100
        assert each["failed"] == 0
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
    words = ("--blocks", "2", "--rate", "250", "--seconds", "400ms", "--budget", "8K")
    found = compared(file, *words, before=on_one_cpu())
    for each in found["rounds"]:
        exits = each["processes"] + 1
        assert each["attempted"] == 500 * exits > 0
        assert each["failed"] >= (500 - (8 << 10) // EVENT_BYTES) * exits
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
            DYNPTR,
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
    words = ("--blocks", "2", "--rate", "500", "--seconds", "200ms")
    found = compared(file, *words, before=on_one_cpu())
    assert (found["own"], found["other"], found["alone"]) == (["ringbuf"], "", complaint)
    assert found["sides"] == ["ringbuf"]
    for each in found["rounds"]:
        exits = each["processes"] + 1
        assert each["attempted"] == 200 * exits
        assert each["failed"] >= (200 - (4 << 10) // EVENT_BYTES) * exits
        assert (each["discarded"] > 0) == discarded == (each["delivered"] == 0)


def function(kind: str) -> str:
    """Return a function that sends what it is given, and is not inlined."""
    sends = SENDS[kind].replace("&event, sizeof(event)", "event, sizeof(*event)")
    head = "static __attribute__((noinline)) int send(void *context, struct event *event)"
    return f"{head} {{ return {sends} }}\n"


COUNTED = f"for (int i = 0; i < times; i++) {{ seen += step; {SENDS['ring']} }}"


@pytest.mark.parametrize(
    ("text", "each_exit", "other", "alone"),
    [
        (source(SENDS_IN_LOOP, kind="ring", before=LOOP), 10, "", NOT_INLINED),
        (source("send(context, &event);", before=function("ring")), 1, "", NOT_INLINED),
        (source("send(context, &event);", kind="perf", before=function("perf")), 1, "ringbuf", ""),
        (
            source(COUNTED, before="const volatile int times = 3; int seen; int step = 2;\n"),
            3,
            "perfbuf",
            "",
        ),
    ],
    ids=["callback", "function", "function of perf", "variables"],
)
def test_every_part_of_a_program_counts(
    text: str, each_exit: int, other: str, alone: str, tmp_path: Path
) -> None:
    found = compared(build(tmp_path, text), *SHORT)
    assert (found["uncounted"], found["other"]) == ("", other)
    assert alone in found["alone"]
    for each in found["rounds"]:
        assert each["attempted"] == each["delivered"] == each_exit * (each["processes"] + 1)
    assert nothing_left()


def test_two_programs_with_a_ring_each_are_one_object(tmp_path: Path) -> None:
    ring = MAPS["ring"] % "4096"
    second = PROGRAM.replace("handler", "second").replace("bench_map", "second_map")
    text = source(SENDS["ring"], section="raw_tp/sched_process_exit")
    text += f'struct {{ {ring} }} second_map SEC(".maps");\n'
    text += second % (EXIT, STORM, SENDS["ring"].replace("bench_map", "second_map") * 2)
    found = compared(build(tmp_path, text), *SHORT)
    assert (found["own"], found["other"]) == (["ringbuf"], "perfbuf")
    for each in found["rounds"]:
        assert each["attempted"] == each["delivered"] == 3 * (each["processes"] + 1)
        assert each["data_bytes"] == 256 << 10
    assert nothing_left()


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
    assert all(0.3 <= each["seconds"] < 120 for each in found["rounds"])
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


def test_losses_of_runs_that_send_more_than_one_event_are_not_known(tmp_path: Path) -> None:
    """Count no runs of a program that only a tail call runs: it has none of its own."""
    tails = (
        "int last(void *context);\n"
        "struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(key_size, 4);"
        "__uint(max_entries, 1); __array(values, int(void *)); }"
        'tails SEC(".maps") = { .values = { [0] = (void *)&last } };\n'
    )
    last = PROGRAM.replace("handler", "last") % ("tp", STORM, SENDS["ring"] * 3)
    text = source("bpf_tail_call(context, &tails, 0);", kind="ring", before=tails) + last
    done = compare(file := build(tmp_path, text), "--json", *SHORT)
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert "it makes tail calls" in found["uncounted"]
    (each,) = found["rounds"]
    assert each["delivered"] == 3 * (each["processes"] + 1) > each["attempted"]
    assert "dropped_share" not in {each["key"] for each in found["numbers"]}
    shown = " ".join(compare(file, *SHORT).stdout.split())
    assert "sends events on the ring buffer of which an unknown share is lost" in shown
    assert "if no run sends more than one event, which some do here" in shown
    assert nothing_left()


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
        (source(SENDS["ring"], section="nonsense/x"), 3, "section name 'nonsense/x'"),
        (
            source(SENDS["ring"]) + "struct { __uint(type, BPF_MAP_TYPE_USER_RINGBUF);"
            '__uint(max_entries, 1 << 30); } other_map SEC(".maps");',
            2,
            "take more than 256 MiB: other_map has 1 GiB",
        ),
        (
            source(SENDS["ring"]) + f"struct inner {{ {MAPS['ring'] % '1 << 30'} }};"
            "struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(key_size, 4);"
            "__uint(max_entries, 1); __array(values, struct inner); } "
            'other_map SEC(".maps");',
            2,
            "take more than 256 MiB: other_map has 1.0 GiB",
        ),
        (
            source(SENDS["ring"]).replace("1 << 16);", "1 << 16); __uint(map_flags, 1 << 19);"),
            2,
            "ring buffer bench_map overwrites its oldest events",
        ),
        (
            source(SENDS["ring"], before="__attribute__((used)) char much[1 << 29];\n"),
            2,
            "take more than 256 MiB",
        ),
        (
            source("while (bpf_ktime_get_ns()) { " + SENDS["ring"] + " }", kind="ring"),
            3,
            "the kernel refuses this object: program handler: infinite loop detected at insn",
        ),
    ],
    ids=[
        *("no maps", "1 GiB", "xdp", "verifier", "section", "user ring", "inner ring"),
        *("overwriting", "variable", "endless"),
    ],
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
    loop = "while :; do kill -0 $$; done"
    words = ("--blocks", "1", "--seconds", "500ms", "--", "sh", "-c", loop)
    found = compared(file, *words)
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
