# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that `trace` within a PID namespace shows the PIDs that its caller knows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tracing import BUFBENCH, bufbench, eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare"),
]
COUNTING = """
from bench.plan.config import Consumer, TrialConfig
from bench.plan.experiments import Arm, ArmName
from bench.trial.rig import Rig
from bench.trial.run import Slot, run_trial
from workloads.storm import Storm

consumer = Consumer(count_syscalls=True, late_ms=0.001)
config = TrialConfig(
    transport="ringbuf", budget_bytes=1 << 20, storm=Storm(count=200), consumer=consumer
)
place = Slot(experiment="storm", block=1, position=0)
with Rig() as rig:
    trial = run_trial(rig, Arm(name=ArmName("ringbuf"), config=config), place)
print(trial.ledger.balanced, trial.cost.consumer_syscalls is None, trial.late.count > 0)
"""
INSIDE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def offspring(outermost: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(outermost.pid).children(recursive=True)


def attached_below(outermost: subprocess.Popen[str]) -> psutil.Process:
    """Return the tracer that this command starts, once it is attached.

    After that it attaches a raw tracepoint, for what it misses.
    """
    found: list[psutil.Process] = []

    def attached() -> bool:
        with suppress(OSError, psutil.Error):  # a process or file may be gone by now
            found[:] = (each for each in offspring(outermost) if "trace" in each.cmdline())
            files = (
                each for process in found for each in Path(f"/proc/{process.pid}/fd").iterdir()
            )
            return any(re.search("bpf[_-](link|raw)", str(each.readlink())) for each in files)
        return False

    assert eventually(attached)
    (tracer,) = found
    return tracer


@pytest.mark.parametrize("nested", [1, 2])
def test_pids_are_the_caller_s(nested: int) -> None:
    trace = shlex.join([*BUFBENCH, "trace", "--json"])
    script = f'sleep 600 & echo "$! $$"; exec 2>/dev/null; {trace} --pid $!; wait'
    command = [*INSIDE * nested, "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as outermost:
        tracer = attached_below(outermost)
        (sleeper,) = (each for each in offspring(outermost) if each.name() == "sleep")
        sleeper.terminate()
        assert outermost.stdout is not None
        first, shown = outermost.stdout.readline(), outermost.stdout.readline()
        tracer.send_signal(signal.SIGINT)
        assert outermost.communicate(timeout=60)[0] == ""
    pid, shell = map(int, first.split())
    assert pid < 20  # of a new namespace
    line = json.loads(shown)
    assert (line["pid"], line["ppid"], line["comm"]) == (pid, shell, "sleep")


def test_processes_outside_have_no_number() -> None:
    trace = [*BUFBENCH, "trace", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*INSIDE, *trace], **pipes, text=True) as outermost:
        tracer = attached_below(outermost)
        with subprocess.Popen(["sleep", "0.1"]) as outside:
            pass
        tracer.send_signal(signal.SIGINT)
        text, said = outermost.communicate(timeout=60)
    sleepers = [each for each in map(json.loads, text.splitlines()) if each["comm"] == "sleep"]
    assert {(each["pid"], each["ppid"]) for each in sleepers} == {(0, 0)}
    assert outside.pid
    notice, tally = said.splitlines()
    assert notice == "bufbench: processes outside this PID namespace are shown with PID 0"
    assert "delivered" in tally


def test_the_initial_namespace_needs_no_notice() -> None:
    assert "namespace" not in bufbench("trace", "--duration", "0.1").stderr


@pytest.mark.parametrize(("before", "unknown"), [([], False), (INSIDE, True)])
def test_calls_of_a_thread_are_unknown_where_it_has_another_number(
    before: list[str], unknown: bool
) -> None:
    words = [*before, sys.executable, "-c", COUNTING]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["True", str(unknown), "True"], done.stderr
