# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench check on real tools, on one that loses, and on what is no tool."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import Any

import pytest
from tracing import bufbench

from bench.host import process

EXITS = 'tracepoint:sched:sched_process_exit { printf("%d %s\\n", pid, comm); }'
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
        (["sleep", "60"], "sleep printed no line within 1.5 s; raise --attach-timeout"),
        (["yes"], "yes printed more than 8 MiB"),
        (["yes", "1"], "yes printed more than 8 MiB"),
        (["sh", "-c", "echo ready; sleep 60"], "no line with a PID within 1.5 s, the last: ready;"),
        (["sh", "-c", "echo 1; sleep 60"], "but not the probes that bufbench made for it"),
    ],
)
def test_what_is_no_tool_is_named_in_one_line(tool: list[str], complaint: str) -> None:
    before = time.monotonic()
    limit_s = "15" if tool[0] == "yes" else "1.5"  # on a busy machine it is slow
    words = ["--wait", "--pid-pattern", r"(\d+)", "--attach-timeout", limit_s, "--", *tool]
    done = check(*words, code=3)
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert time.monotonic() - before < float(limit_s) + 18


@pytest.mark.slow
@pytest.mark.live
def test_bpftrace_sees_every_exit_of_a_slow_storm() -> None:
    if shutil.which("bpftrace") is None:
        pytest.skip("bpftrace is not installed")
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
def test_exitsnoop_of_bcc_is_right_about_parents_codes_and_signals() -> None:
    if shutil.which("exitsnoop-bpfcc") is None:
        pytest.skip("bpfcc-tools are not installed")
    found = answer("--rates", "200", "--seconds", "1.5", "--", "exitsnoop-bpfcc")
    (rung,) = found["rungs"]
    assert (rung["processes"], rung["seen"], rung["twice"]) == (300, 300, 0)
    assert (rung["wrong_parent"], rung["wrong_status"]) == (0, 0)
    assert found["preset"] == "exitsnoop"


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize(
    ("way", "key", "gate", "complaint"),
    [
        ("silent", "silent", "silent", "missing and not reported"),
        ("reported", "reported", "missing", "missing"),
        ("twice", "twice", "twice", "shown twice"),
    ],
)
def test_a_tool_that_loses_on_purpose_is_found_out(
    losing: str, way: str, key: str, gate: str, complaint: str
) -> None:
    words = ["--rates", "400", "--seconds", "1", "--pid-pattern", r"^(\d+)", "--json", "--wait"]
    tool = ["--", sys.executable, losing, way, EXITS]
    done = check(*words, "--fail-on", gate, *tool, code=1)
    assert f"{complaint}" in done.stderr.splitlines()[-1]
    (rung,) = json.loads(done.stdout)["rungs"]
    counts = {each: rung[each] for each in ("silent", "reported", "twice")}
    assert 30 <= counts.pop(key) <= 50  # a tenth; others' exits are counted there too
    assert set(counts.values()) == {0}


@pytest.mark.slow
@pytest.mark.live
def test_what_a_tool_showed_before_it_died_is_kept(losing: str) -> None:
    words = ["--rates", "300,1000", "--seconds", "1", "--pid-pattern", r"^(\d+)"]
    found = answer(*words, "--", sys.executable, losing, "dies", EXITS, code=3)
    assert [rung["processes"] for rung in found["rungs"]] == [300]
    assert "ended with 1: out of luck" in found["ended"]
