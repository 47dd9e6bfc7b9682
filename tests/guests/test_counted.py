# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Count calls of real kernels, of an image and of archives, by one command of three boots each.

The second boot has another seed. The third has the first one's, and the plugin where it is taken.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_up_oci import Layout, ci_kernel
from real_kernels import provided
from tracing import BUFBENCH

from bench.errors import MachineUnfit
from bench.guests.boot import CONSOLE
from bench.guests.machines import machine_named
from bench.guests.reproducible import REPORT
from bench.guests.sources import Image
from bench.host import process
from bench.questions.exact import plan, report, study
from bench.questions.exact.report import Counted
from bench.questions.exact.study import KernelCount
from bench.questions.kernels.run import folder_name

pytestmark = pytest.mark.slow

OF_AN_IMAGE = "6.1-cloud"
LABELS = (OF_AN_IMAGE, "6.1-cloud-arm64", "6.12-cloud-arm64")
NONE = "oci:layout:none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Hold a kernel that could be had, its row, and console and report of each of its boots."""

    image: Image
    count: KernelCount
    boots: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Hold the command's findings: of an image that holds no kernel, and of each label."""

    none: KernelCount
    kernels: Mapping[str, Kernel]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    if shutil.which("skopeo") is None:
        pytest.skip("there is no skopeo")
    images: dict[str, Image] = {}
    for label in LABELS:
        with suppress(pytest.skip.Exception):  # its own test is skipped
            images[label] = provided(label)
    if not images:
        provided(OF_AN_IMAGE)  # says why it skips
    folder = tmp_path_factory.mktemp("counted")
    layout = Layout(folder / "layout")
    layout.add("none", {"etc/passwd": b"root"})
    words = {label: str(image.vmlinuz) for label, image in images.items()}
    if OF_AN_IMAGE in images:
        words[OF_AN_IMAGE] = "oci:layout:6.1"
        layout.add("6.1", ci_kernel(images[OF_AN_IMAGE].vmlinuz.read_bytes(), "6.1.0"))
    asked = json.dumps([NONE, *words.values()])
    limit = ("--time-limit", "300", "--keep", "kept")
    python = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    done = process.run(
        [*BUFBENCH, "kernels", "exact", asked, *limit, "--json", "--output", "study.json"],
        timeout_s=1_800,
        check=False,
        cwd=folder,
        env={"PYTHONPATH": python, "XDG_CACHE_HOME": str(folder / "cache")},
    )
    assert done.returncode == 0, done.stderr
    none, *counts = study.read(folder / "study.json").kernels
    kernels: dict[str, Kernel] = {}
    for (label, image), count in zip(images.items(), counts, strict=True):
        kept = folder / "kept" / folder_name(words[label])
        boots = tuple(
            ((place / CONSOLE).read_bytes(), (place / REPORT).read_bytes())
            for place in sorted(kept.glob("*"))
        )
        kernels[label] = Kernel(image=image, count=count, boots=boots)
    return Found(none=none, kernels=kernels)


def kernel(label: str, found: Found) -> Kernel:
    """Return what was found of a kernel; skip where it could not be had."""
    try:
        plan.ram_disk(machine_named(label).architecture)
    except MachineUnfit as error:
        pytest.skip(str(error))
    if label not in found.kernels:
        provided(label)
    return found.kernels[label]


def test_an_image_without_a_kernel_is_a_row(found: Found) -> None:
    assert found.none.reason.startswith(f"{NONE} holds no kernel")


@pytest.mark.parametrize("label", LABELS)
def test_two_boots_are_equal_to_the_byte(label: str, found: Found) -> None:
    """Expect the same bytes with the plugin: else a fourth boot would have found the cause."""
    booted = kernel(label, found)
    one, other, again = booted.boots
    assert one == again
    assert one[1] != other[1]
    read = report.parse(one[1])
    assert read.facts["release"] == booted.image.release
    assert {each.name for each in read.calls if isinstance(each, Counted)} >= {
        *("empty", "reserve-submit", "ring-output", "perf-output", "reserve-refused"),
    }


def test_functions_of_a_real_kernel_add_up(found: Found) -> None:
    """They are known on x86-64 alone."""
    count = kernel(OF_AN_IMAGE, found).count
    assert count.unexplained == ""
    assert all(each.reproducible for each in count.calls), count
    for call in count.calls:
        if call.instructions is not None:
            assert call.explained == call.instructions, call
    written = count.by_key["reserve-submit", 72]
    assert 100 < (written.instructions or 0) < 300
    assert written.by_function["__bpf_ringbuf_reserve"] == 79
