# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Attach another tracer to the same event: allowed, and reported as noise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tracing import bufbench, tracing
from trials import STORMS, assert_balanced, run

from bench.journal.reader import read_journal
from bench.linux import bpf
from bench.plan.config import TrialConfig
from bench.tracer import compiler
from bench.tracer.build import Build
from bench.trial.result import State
from bench.trial.rig import Rig
from workloads.storm import Shape

pytestmark = [pytest.mark.live, pytest.mark.slow]

RAW = b"RAW_TRACEPOINT_PROBE(sched_process_exit) { return 0; }"
PERF = b"int another_one(void *context) { return 0; }"


@contextmanager
def foreign(rig: Rig, text: bytes) -> Iterator[None]:
    """Attach a program of bcc's as its tools do, while the context lasts."""
    from bcc import BPF

    with compiler.installed(rig.kernel.release):
        program = BPF(text=text)
    try:
        if text is PERF:
            program.attach_tracepoint(tp=b"sched:sched_process_exit", fn_name=b"another_one")
        yield
    finally:
        program.cleanup()


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
@pytest.mark.parametrize(
    ("text", "name"), [(PERF, "another_one"), (RAW, "sched_process_e")], ids=["perf", "raw"]
)
def test_a_foreign_tracer_is_recorded_as_noise(transport: str, text: bytes, name: str) -> None:
    config = TrialConfig(transport=transport, budget_bytes=1 << 20, storm=STORMS[Shape.STORM])
    with Rig() as rig:
        before = run(rig, config)
        with foreign(rig, text):
            beside = run(rig, config)
        after = run(rig, config)
    for trial in (before, beside, after):
        assert_balanced(trial)
        assert trial.conditions.neighbours is not None
    # Any other tracer that runs here just now is reported as well.
    found = [each for each in beside.conditions.neighbours or () if each.startswith(f"{name} (")]
    assert len(found) == 1, beside.conditions.neighbours
    assert beside.state is State.NOISY
    assert any(found[0] in reason for reason in beside.reasons)
    for trial in (before, after):
        assert found[0] not in (trial.conditions.neighbours or ())


def test_what_is_loaded_but_not_attached_is_no_neighbour() -> None:
    config = TrialConfig(transport="perfbuf", budget_bytes=1 << 20, storm=STORMS[Shape.STORM])
    with Rig() as rig:
        loaded = rig.built(Build(variant="noop"))
        number = bpf.program_id(loaded.load())
        trial = run(rig, config)
    assert trial.conditions.neighbours is not None
    assert not any(f"program {number})" in each for each in trial.conditions.neighbours)


def test_our_own_live_tracer_may_run_beside_and_is_reported_too(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    arguments = ["run", "--count", "300", "--blocks", "2", "--wait", "--output", str(journal)]
    with tracing(tmp_path, "--json") as tracer:
        tracer.await_probe()
        done = bufbench(*arguments)
        assert done.returncode == 0, done
        assert tracer.process.poll() is None
        assert tracer.interrupt() == 130
    assert "Traceback" not in tracer.said.read_text()
    for trial in read_journal(journal, strict=True).trials:
        assert trial.ledger is not None
        assert trial.ledger.balanced, trial.reasons
        assert any(name.startswith("exitsnoop") for name in trial.conditions.neighbours or ())
