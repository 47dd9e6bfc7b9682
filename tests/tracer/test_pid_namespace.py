# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Within a PID namespace, `trace` has the numbers that its caller knows processes by."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys

import pytest
from tracing import BUFBENCH, bufbench

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare"),
]
COUNTING = """
from bench.plan.config import Consumer, TrialConfig
from bench.plan.experiments import Arm, ArmName
from bench.trial.rig import Rig
from bench.trial.run import Place, run_trial
from workloads.storm import Storm

consumer = Consumer(count_syscalls=True, late_ms=0.001)
config = TrialConfig(
    transport="ringbuf", budget_bytes=1 << 20, storm=Storm(count=200), consumer=consumer
)
place = Place(experiment="storm", block=1, position=0)
with Rig() as rig:
    trial = run_trial(rig, Arm(name=ArmName("ringbuf"), config=config), place)
print(trial.ledger.balanced, trial.cost.consumer_syscalls is None, trial.late.count > 0)
"""
INSIDE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.mark.parametrize("nested", [1, 2])
def test_pids_are_the_caller_s(nested: int) -> None:
    trace = shlex.join([*BUFBENCH, "trace", "--json", "--duration", "6"])
    # The sleeper ends long after the tracer was attached; its parent is the shell.
    script = f'sleep 4 & echo "$! $$"; exec 2>/dev/null; {trace} --pid $!; wait'
    done = subprocess.run(
        [*INSIDE * nested, "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    first, *lines = done.stdout.splitlines()
    pid, shell = map(int, first.split())
    assert pid < 20  # of a new namespace
    (line,) = map(json.loads, lines)
    assert (line["pid"], line["ppid"], line["comm"]) == (pid, shell, "sleep")


def test_processes_outside_have_no_number() -> None:
    trace = [*BUFBENCH, "trace", "--json", "--duration", "4"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*INSIDE, *trace], **pipes, text=True) as tracer:
        with subprocess.Popen(["sleep", "3"]) as outside:
            pass
        text, said = tracer.communicate(timeout=60)
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
