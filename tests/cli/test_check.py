# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench check on real tools, on one that loses, and on what is not a tool."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from tracing import BUFBENCH, bufbench

from bench.cli.check import _headers
from bench.host import process
from bench.questions.check import lines
from bench.questions.check.run import _await_probe
from bench.questions.check.tool import running

EXAMPLE: Final = Path(__file__).parents[2] / "examples/exitsnoop"
EXITS = 'tracepoint:sched:sched_process_exit { printf("%d %s\\n", pid, comm); }'
OWN_EXITS = EXITS.replace("{", '/comm == "forkstorm" || comm == "tiny"/ {', 1)
"""Of storms and probes: what others do at the same time makes no difference."""
LOSING = """
import subprocess, sys
way, source = sys.argv[1:]
tracer = subprocess.Popen(("bpftrace", "-e", source), stdout=subprocess.PIPE, text=True)
for number, line in enumerate(tracer.stdout):
    if number % 10 == 0 and way == "reported":
        print("lost 1 events", file=sys.stderr, flush=True)
    if number % 10 == 0 and way in ("reported", "silent"):
        continue
    if number > 500 and way == "dies":
        sys.exit("out of luck")
    print(line * (1 + (number % 10 == 0 and way == "twice")), end="", flush=True)
"""

# They hold all of the slow storm, and take a small part of the fast one, whether the machine makes
# some hundred processes a second or thousands.
SLOW = """
import fcntl, sys, time
fcntl.fcntl(sys.stdin, fcntl.F_SETPIPE_SZ, 4096)
for line in sys.stdin:
    time.sleep(0.02)
    print(line, end="", flush=True)
"""
QUEUE = """
import fcntl, queue, sys, threading, time
fcntl.fcntl(sys.stdin, fcntl.F_SETPIPE_SZ, 4096)
lines = queue.Queue(100)
def take():
    for line in sys.stdin:
        time.sleep(0.005)  # so that the tracer's pipe and its buffers fill
        if line.startswith("Lost ") or not lines.full():
            lines.put(line)
threading.Thread(target=take, daemon=True).start()
while True:
    time.sleep(0.015)
    print(lines.get(), end="", flush=True)
"""
SLOWLY_AND_FAST = ("--rates", "30,4000", "--seconds", "1.5")
SLOWLY = 45


def check(*words: str, code: int = 0, timeout_s: float = 120) -> process.Completed:
    done = bufbench("check", *words, timeout_s=timeout_s)
    assert done.returncode == code, done.stderr
    return done


def answer(*words: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(check("--json", "--wait", *words, code=code).stdout)
    return found


@pytest.fixture(scope="module")
def losing(tmp_path_factory: pytest.TempPathFactory) -> str:
    script = tmp_path_factory.mktemp("tool") / "losing.py"
    script.write_text(LOSING)
    return str(script)


@pytest.mark.live
@pytest.mark.parametrize(
    ("tool", "complaint"),
    [
        (["no-such-tool"], "cannot run no-such-tool: No such file or directory"),
        (["true"], "true ended with 0"),
        (["cat", "/nowhere"], "cat ended with 1: cat: /nowhere: No such file"),
        (["sh", "-c", "kill -9 $$"], "sh was killed by SIGKILL"),
        (["sleep", "600"], "sleep printed no line within 5 s; raise --attach-timeout"),
        (["yes"], "yes printed more than 8 MiB"),
        (["yes", "1"], "yes printed more than 8 MiB"),
        (
            ["sh", "-c", "echo ready; sleep 600"],
            "no line with a PID within 5 s, the last: ready;",
        ),
        (["sh", "-c", "echo 1; sleep 600"], "but not the probes that bufbench made for it"),
    ],
)
def test_what_is_no_tool_is_named_in_one_line(tool: list[str], complaint: str) -> None:
    limit_s = "5" if "sleep" in tool[-1] or tool[0] == "sleep" else "60"  # the others end
    words = ["--wait", "--pid-pattern", r"(\d+)", "--attach-timeout", limit_s, "--", *tool]
    done = check(*words, code=3)
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.mark.slow
@pytest.mark.live
def test_bpftrace_sees_every_exit_of_a_slow_storm() -> None:
    need("bpftrace")
    found = answer("--rates", "200", "--seconds", "1", "--", "bpftrace", "-e", EXITS)
    (rung,) = found["rungs"]
    assert (rung["processes"], rung["seen"]) == (200, 200)
    assert (rung["twice"], rung["reported"], rung["silent"]) == (0, 0, 0)
    assert found["whole_to_per_s"] == rung["rate_per_s"]
    assert found["loses_from_per_s"] is None
    assert 0 < rung["delay_p50_ms"] < 1_000
    assert rung["rss_bytes"] > 1 << 20
    assert found["order"]["pairs"] > 100


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize(
    ("tool", "preset", "shows"),
    [
        ("exitsnoop-bpfcc", "exitsnoop", "exits"),  # of bcc
        ("exitsnoop", "exitsnoop", "exits"),  # of libbpf-tools
        ("execsnoop-bpfcc", "execsnoop", "execs"),
        ("execsnoop", "execsnoop", "execs"),
    ],
)
def test_snoops_are_right_about_every_process(tool: str, preset: str, shows: str) -> None:
    need(tool)
    if tool == "execsnoop-bpfcc" and not Path("/sys/kernel/tracing/kprobe_events").exists():
        pytest.skip(f"{tool} needs kprobes, which this kernel lacks")
    found = answer("--rates", "200", "--seconds", "1.5", "--", tool)
    (rung,) = found["rungs"]
    assert (rung["processes"], rung["seen"], rung["twice"]) == (300, 300, 0)
    assert {rung[f"wrong_{each}"] for each in ("pid", "parent", "status")} == {0}
    assert (found["preset"], found["shows"]) == (preset, shows)


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize(
    "tool", [("exitsnoop-bpfcc",), ("exitsnoop",), ("bpftrace", "-e", EXITS)], ids=lambda it: it[0]
)
def test_another_generator_s_processes_are_seen_as_well(tool: tuple[str, ...]) -> None:
    """Find every exit of stress-ng in the lines of a tool, as check starts and reads it."""
    need(tool[0])
    need("stress-ng")
    reading = lines.preset_of(tool[0])
    assert reading is not None
    words = ("stress-ng", "--fork", "2", "--fork-ops", "2000", "--quiet")
    with _headers() as environment, running(tool, environment=environment) as started:
        for command in (words, None):
            assert _await_probe(started, reading, 60.0) is not None
            if command:
                process.run(command, timeout_s=60)
        printed = [line for _, line in lines.lines(started.output.printed)]
    found = [lines.parser(reading)(0, line) for line in printed if "stress-ng-fork" in line]
    assert 2_000 <= len({each.pid for each in found if each}) <= 2_010  # its own are among them


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize(
    ("way", "key", "gate", "complaint"),
    [
        ("silent", "silent", "silent", "missing and not reported"),
        ("reported", "reported", "missing", "missing"),
        ("twice", "twice", "twice", "shown again"),
    ],
)
def test_a_tool_that_loses_on_purpose_is_found_out(
    losing: str, way: str, key: str, gate: str, complaint: str
) -> None:
    words = ["--rates", "400", "--seconds", "1", "--pid-pattern", r"^(\d+)", "--json", "--wait"]
    tool = ["--", sys.executable, losing, way, OWN_EXITS]
    done = check(*words, "--fail-on", gate, *tool, code=1)
    assert f"{complaint}" in done.stderr.splitlines()[-1]
    (rung,) = json.loads(done.stdout)["rungs"]
    counts = {each: rung[each] for each in ("silent", "reported", "twice")}
    assert 30 <= counts.pop(key) <= 50  # a tenth; probes count there, too
    assert set(counts.values()) == {0}


@pytest.mark.slow
@pytest.mark.live
def test_losses_of_a_ring_that_nobody_reports(tmp_path: Path) -> None:
    """javierhonduco/lightswitch#324: a consumer that is slow at an event loses from some rate on.

    The tracer is the example, which ignores that a reservation fails, as its model does.
    """
    package, slow = tmp_path / "exitsnoop.json", tmp_path / "slow.py"
    build = ("object", "build", str(EXAMPLE / "exitsnoop.bpf.c"), "--output", str(package))
    assert bufbench(*build).returncode == 0
    slow.write_text(SLOW)
    tracer = shlex.join([*BUFBENCH, "object", "run", str(package), "--json", "--buffer", "4K"])
    words = (*SLOWLY_AND_FAST, "--pid-key", ".event.pid", "--wait")
    tool = ("--", "sh", "-c", f"{tracer} | {sys.executable} {slow}")
    done = check(*words, "--json", "--fail-on", "silent", *tool, code=1)
    slowly, fast = json.loads(done.stdout)["rungs"]
    assert slowly["seen"] == slowly["processes"] == SLOWLY
    assert fast["silent"] > 500
    assert fast["reported"] == 0
    assert "missing and not reported" in done.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.live
def test_what_is_seen_and_reported_falls_short_of_what_happened(tmp_path: Path) -> None:
    """aquasecurity/tracee#223: losses of the perf buffers are reported, those behind them not."""
    need("bpftrace")
    script = tmp_path / "queue.py"
    script.write_text(QUEUE)
    tracer = shlex.join(["bpftrace", "-e", EXITS])
    words = (*SLOWLY_AND_FAST, "--pid-pattern", r"^(\d+)", "--wait")
    tool = ("--", "sh", "-c", f"BPFTRACE_PERF_RB_PAGES=1 {tracer} | {sys.executable} {script}")
    done = check(*words, "--json", "--fail-on", "silent", *tool, code=1)
    slowly, fast = json.loads(done.stdout)["rungs"]
    assert slowly["seen"] == slowly["processes"] == SLOWLY
    assert fast["reported"] > 100
    assert fast["seen"] + fast["reported"] < fast["processes"] - 100


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("pipe", [False, True])
def test_a_tool_that_needs_a_terminal_has_one(pipe: bool) -> None:
    need("bpftrace")
    tracer = shlex.join(["bpftrace", "-e", EXITS])
    needs = 'test -t 1 || { echo "stdout is not a terminal" >&2; exit 1; }'
    words = ("--rates", "200", "--seconds", "0.5", "--pid-pattern", r"^(\d+)", "--wait", "--json")
    tool = ("--", "sh", "-c", f"{needs}; exec {tracer}")
    if pipe:
        done = check(*words, "--pipe", *tool, code=3)
        (line,) = done.stderr.splitlines()
        assert line == "bufbench: sh ended with 1: stdout is not a terminal"
    else:
        assert json.loads(check(*words, *tool).stdout)["rungs"][0]["seen"] == 100


@pytest.mark.slow
@pytest.mark.live
def test_what_a_tool_showed_before_it_died_is_kept(losing: str) -> None:
    words = ["--rates", "300,1000", "--seconds", "1", "--pid-pattern", r"^(\d+)"]
    found = answer(*words, "--", sys.executable, losing, "dies", OWN_EXITS, code=3)
    assert [rung["processes"] for rung in found["rungs"]] == [300]
    assert "ended with 1: out of luck" in found["ended"]
