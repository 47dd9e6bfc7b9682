# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench kernels run --reproducible as people run it, with a QEMU that boots nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import made_up_qemu
import pytest
from questions.kernels.test_seeds import journal, report
from tracing import bufbench


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--accelerator", "kvm"], "counts instructions, which KVM cannot"),
        (["--seeds", "0"], "--seeds 0 is out of range"),
        (["--seed", "-1"], "--seed -1 is out of range"),
        (["host"], "host is not booted"),
        (["--memory", "64"], "do not fit"),
    ],
)
def test_what_such_guests_cannot_do_is_refused_in_a_line(
    words: list[str], said: str, tmp_path: Path
) -> None:
    place = tmp_path / "run"
    done = bufbench("kernels", "run", "6.1", "--reproducible", *words, "--output", str(place))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not place.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "3"], "--seeds has no effect without --reproducible"),
        (["--seed", "9" * 23], "is out of range"),
        (["--emulate", "--accelerator", "kvm"], "--emulate contradicts --accelerator kvm"),
    ],
)
def test_options_without_effect_are_refused(words: list[str], said: str) -> None:
    done = bufbench("kernels", "run", "6.1", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_without_qemu(tmp_path: Path) -> None:
    image = made_up_qemu.image(tmp_path, "good")
    done = bufbench("kernels", "run", image, "--reproducible", PATH=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr == (
        "bufbench: qemu-system-x86_64 is missing; apt-get install qemu-system-x86\n"
    )


def test_the_plan_has_a_block_for_each_seed() -> None:
    done = bufbench("kernels", "run", "6.1", "7.3", "--reproducible", "--dry-run", "--json")
    found = json.loads(done.stdout)
    blocks = {each["experiment"]: each["blocks"] for each in found["experiments"]}
    assert blocks.pop("torn") == 1
    assert {blocks.pop(name) for name in ("storm-duet", "trickle-duet")} == {32}  # storms
    assert {*blocks.values()} == {8}
    assert found["trials"] == 2 * sum(each["trials"] for each in found["experiments"])
    assert "8 seeds; the first once more" in found["notes"][0]


@pytest.mark.slow
def test_the_hash_of_all_seeds_is_shown(tmp_path: Path) -> None:
    path = made_up_qemu.install(tmp_path)
    image = made_up_qemu.image(tmp_path, "good", *(report(journal(seed)) for seed in (1, 2)))
    words = ("--reproducible", "--seeds", "2", "--json", "--output", str(tmp_path / "run"))
    done = bufbench("kernels", "run", image, *words, **path)
    assert done.returncode == 0, done.stderr
    (kernel,) = json.loads(done.stdout)["kernels"]
    digest = hashlib.sha256(journal(1) + journal(2)).hexdigest()
    assert kernel["reproduced"] == {
        "qemu": "9.9 (made up)",
        "seeds": [1, 2],
        "journal_sha256": digest,
        "identical": True,
    }
    assert "3 guests" in done.stderr
