# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Search over what trials count: drops, order, skipped exits, verdicts of claims."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_archive import vmlinuz
from made_up_kernels import beside_callers, entry, storms, write

from bench.errors import Say
from bench.guests.boot import Guest
from bench.guests.sources import Image, local
from bench.questions.bisect import condition, state
from bench.questions.bisect.condition import of_trials
from bench.questions.bisect.readers import Trials
from bench.questions.bisect.run import Booter, Outcome, bisect
from bench.questions.kernels import run as kernels_run
from bench.questions.kernels.matrix import compare
from bench.questions.kernels.outcome import Outcome as Ended
from bench.questions.kernels.outcome import Status

GUEST = Guest(cpus=2, memory_mib=1024, time_limit_s=60.0, kvm=False)


def test_readings_are_the_sums_of_trials() -> None:
    trials = [*storms(ring_lost=0), *beside_callers(storms()[:2], missed=7)]
    matrix = compare([replace(entry("6.1", "6.1.1-amd64", trials=trials))])
    found = {each.name: each.value for each in of_trials(matrix)}
    noisy = sum(each.ledger.own_dropped for each in storms()[:2] if each.ledger is not None)
    assert found["ringbuf:drops"] == sum(range(8)) + noisy
    assert found["perfbuf:drops"] == sum(range(40, 48))
    assert (found["ringbuf:causal"], found["perfbuf:causal"]) == (0, 8 * 90)
    assert found["missed"] == 14
    assert found["rb-order"] == "reproduced"


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was booted, of kernels that lose less from k5 on, and of which k4 hangs."""
    labels: list[str] = []

    def run(request: kernels_run.Request, kernels: Sequence[Image], _: Say) -> list[Ended]:
        (image,) = kernels
        labels.append(image.label)
        number = int(image.label[1:])
        status = Status.HUNG if number == 4 else Status.DONE
        trials = storms(ring_lost=10 if number < 5 else 0)
        shutil.rmtree(request.folder / image.label, ignore_errors=True)
        write(request.folder, entry(image.label, f"6.{number}.0-amd64", trials=trials))
        return [Ended(label=image.label, status=status, reason="made up")]

    monkeypatch.setattr(kernels_run, "run", run)
    return labels


def test_the_first_kernel_of_another_count(booted: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(1, 9):
        (folder / f"k{number}").write_bytes(vmlinuz(f"6.{number}.0"))
    reader = Trials(GUEST, emulate=True, command_line=["made up"], say=print)
    notes = state.opened(tmp_path / "out", reader.setup, resume=False)
    lossy = sum(range(10, 18))
    asked = condition.parse(f"ringbuf:drops={lossy}")
    found = bisect(local.between(folder, "k1", "k8"), asked, Booter(reader, notes, print))
    assert found.outcome is Outcome.RANGE
    assert (found.last_good, found.first_bad, found.suspects) == ("k3", "k5", ("k4", "k5"))
    assert booted[:2] == ["k1", "k8"]
    assert len(booted) == len(set(booted)) == found.boots <= found.most_boots + 1
    hung = next(each for each in found.tried if each.kernel == "k4")
    assert hung.why == "hung: made up"

    held = state.opened(tmp_path / "out", reader.setup, resume=True)
    again = bisect(local.between(folder, "k1", "k8"), asked, Booter(reader, held, print))
    assert again.suspects == found.suspects
    assert again.boots == 1  # what hung is tried once more
