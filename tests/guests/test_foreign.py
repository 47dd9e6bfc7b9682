# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test kernels of another architecture: recognised, refused, or run over Debian's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_up_archive import arm64_image, vmlinuz
from real_kernels import provided
from tracing import bufbench

from bench.errors import MachineUnfit
from bench.guests import boot, systems
from bench.guests.boot import Guest
from bench.guests.sources import local
from bench.linux.machine import UNKNOWN
from bench.questions.kernels import run
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare
from bench.questions.kernels.outcome import Status
from bench.tracer import loader
from bench.trial.result import State

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="of x86-64")

LABEL = "6.12-arm64"


@pytest.mark.parametrize(
    ("label", "architecture"),
    [
        ("6.12", ""),
        ("6.12-rt", ""),
        ("6.12-amd64", ""),
        ("host", ""),
        ("/arm64/bzImage", ""),  # a folder says nothing
        ("6.12-arm64", "arm64"),
        ("./Image-arm64", "arm64"),
    ],
)
def test_by_its_name(label: str, architecture: str) -> None:
    assert boot.foreign(label) == architecture


def test_by_its_image(tmp_path: Path) -> None:
    path = tmp_path / "Image"
    path.write_bytes(arm64_image())
    image = local.image(str(path))
    assert boot.foreign(image.label, image) == "arm64"
    guest = boot.fitting(cpus=1, memory_mib=1024, jobs=1, available_mib=4096)
    assert boot.probe(image, guest, tmp_path, device=tmp_path) == boot.FOREIGN
    path.write_bytes(vmlinuz("6.1.0"))
    assert boot.foreign(image.label, image) == ""


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("qemu-system-aarch64", "qemu-system-aarch64 is missing; apt-get install qemu-system-arm"),
        (
            "aarch64-linux-gnu-gcc",
            "aarch64-linux-gnu-gcc is missing; apt-get install gcc-aarch64-linux-gnu",
        ),
    ],
)
def test_what_is_missing_is_named_in_its_row_and_nothing_is_fetched(
    tmp_path: Path, missing: str, said: str
) -> None:
    for name in {"qemu-system-aarch64", "aarch64-linux-gnu-gcc"} - {missing}:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    done = bufbench("kernels", "run", LABEL, "--output", str(tmp_path / "out"), PATH=str(tmp_path))
    assert done.returncode == 3
    assert f"{LABEL} unavailable: {said}" in done.stderr.splitlines()[-1]
    assert "fetching" not in done.stderr


def test_reproducible_guests_are_of_this_machine(tmp_path: Path) -> None:
    words = ("--reproducible", "--output", str(tmp_path / "out"))
    done = bufbench("kernels", "run", LABEL, *words)
    assert done.returncode == 3
    last = done.stderr.splitlines()[-1]
    assert f"{LABEL} unavailable: a reproducible guest has this machine's programs" in last
    assert f"bufbench kernels exact {LABEL} counts its instructions" in last
    assert "fetching" not in done.stderr


def test_kvm_cannot_run_it() -> None:
    done = bufbench("kernels", "run", "6.12", LABEL, "--accelerator", "kvm")
    assert done.returncode == 2
    assert done.stderr == (
        f"bufbench: --accelerator kvm: {LABEL} is of another architecture, which is emulated; "
        "leave one of them out\n"
    )


@pytest.mark.guests
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="shares a root file system, which takes root")
def test_it_runs_over_debians_files(tmp_path: Path) -> None:
    """Generator, capture and offsets work there: every ledger balances, and order is seen."""
    image = provided(LABEL)
    try:
        systems.check("arm64")
    except MachineUnfit as lack:
        pytest.skip(str(lack))
    if not loader.objects():
        pytest.skip("the package was built without clang")
    request = run.Request(
        folder=tmp_path,
        guest=Guest(cpus=2, memory_mib=2048, time_limit_s=600.0, kvm=True),
        accelerator=boot.FOREIGN,
        jobs=1,
        seed=1,
        command_line=(),
    )
    (ended,) = run.run(request, [image], print)
    assert ended.status is Status.DONE, ended.reason
    (entry,) = read_matrix([tmp_path])
    (row,) = compare([entry]).rows
    assert row.result is not None
    assert (row.label, row.architecture, row.emulated) == (LABEL, "arm64", True)
    assert row.result.machine.preemption != UNKNOWN
    assert {"calibration", "storm", "chain"} <= {each.experiment for each in row.trials}
    assert not [each.reasons for each in row.trials if each.state is State.INVALID]
    found = [each for each in row.trials if each.experiment == "chain" and each.ordering]
    pairs = {each.config.transport: each.ordering for each in found if each.ordering is not None}
    assert min(each.causal_pairs for each in pairs.values()) > 1_000
    assert pairs["ringbuf"].causal_violations == 0
