# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Replay a load that bufbench watched, by its commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tracing import bufbench, tracing
from watching import watching

from bench.journal.reader import read_journal
from bench.trial.result import State
from workloads.generator import Generator
from workloads.storm import Shape, Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

SCHEDULE = (40, 0, 0, 160, 20, 0, 40, 40)  # in tenths of a second


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the load of `bufbench trace` during a storm of bursts."""
    folder = tmp_path_factory.mktemp("load")
    file = folder / "load.json"
    storm = Storm(shape=Shape.REPLAY, count=sum(SCHEDULE), schedule=SCHEDULE, bin_ms=100.0)
    with tracing(folder, "--json", "--transport", "ringbuf") as tracer:
        tracer.await_probe()
        words = (str(tracer.process.pid), "--seconds", "4", "--output", str(file))
        with watching(*words), Generator(storm) as generator:
            generator.go()
            generator.wait(30)
    return file


def records_of(profile: Path) -> list[int]:
    (load,) = json.loads(profile.read_text())["loads"]
    return [*load["records"]]


def test_a_watched_load_is_replayed_on_both_transports(profile: Path, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    words = ("--profile", str(profile), "--blocks", "1", "--wait", "--output", str(journal))
    done = bufbench("run", "--workload", "replay", *words)
    assert done.returncode == 0, done.stderr
    (run,) = read_journal(journal, strict=True).runs
    assert {trial.config.transport for trial in run.trials} == {"ringbuf", "perfbuf"}
    seen = records_of(profile)
    assert sum(seen) >= sum(SCHEDULE)
    for trial in run.trials:
        assert trial.state is not State.INVALID, trial.reasons
        storm, each = trial.config.storm, trial.config.producer.records_per_exit
        assert storm.shape is Shape.REPLAY
        assert sum(seen) <= storm.count * each < sum(seen) + each
        assert trial.storm.seconds >= 0.7  # of the schedule; the watch goes on after it


def test_both_transports_get_a_size_for_a_watched_load(profile: Path, tmp_path: Path) -> None:
    content = json.loads(profile.read_text())
    (load,) = content["loads"]
    busiest = load["records"].index(max(load["records"]))
    for each in ("bytes", "records"):  # a tenth of a second of it, so that storms are short
        load[each] = load[each][busiest : busiest + 10]
    short = tmp_path / "short.json"
    short.write_text(json.dumps(content))
    words = ("--from", str(short), "--json", "--wait", "--output", str(tmp_path / "size.jsonl"))
    done = bufbench("size", *words, timeout_s=240)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["transports"]
    assert found.keys() == {"ringbuf", "perfbuf"}
    for each in found.values():
        assert each["recommended_bytes"] >= each["minimum_bytes"] >= 4_096
    assert f"page: {tmp_path}/size.html\n" in done.stderr
    assert "<h1" in (tmp_path / "size.html").read_text()
