# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench object compare on a kernel that lacks later features, and on the newest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from objects import DYNPTR, LOOP, SENDS, SENDS_IN_LOOP, build, packaged, source
from real_kernels import provided, ran

from bench.guests.boot import Guest
from bench.host.process import Completed

pytestmark = [pytest.mark.guests, pytest.mark.live, pytest.mark.slow]

GUEST = Guest(cpus=2, memory_mib=1024, time_limit_s=1_200.0, kvm=False)
LOAD: Final = ("--blocks=1", "--rate=100", "--seconds=1", "--budget=256K", "--json")
MODULES: Final = ("bench.cli.object", "bench.questions.object.document")
EXAMPLE: Final = Path(__file__).parents[2] / "examples/exitsnoop/exitsnoop.bpf.c"
SOURCES: Final = {
    "perf": source(SENDS["perf"]),
    "ring": source(SENDS["ring"]),
    "callback": source(SENDS_IN_LOOP, kind="ring", before=LOOP),
    "dynptr": source(DYNPTR, kind="ring"),
}

Compared = Mapping[str, Completed]
"""The result of each object on one kernel."""


def found_of(done: Completed) -> dict[str, Any]:
    """Return the result of an object whose comparison went well: every event balances."""
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["uncounted"] == ""
    for each in found["rounds"]:
        assert each["attempted"] == each["failed"] + each["delivered"] + each["discarded"]
        assert each["processes"] >= 100
    return found


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return all objects, built on this machine."""
    folder = tmp_path_factory.mktemp("packages")
    files = {"example": packaged(EXAMPLE, folder / "example.json")}
    for name, text in SOURCES.items():
        (folder / name).mkdir()
        files[name] = build(folder / name, text)
    return files


@pytest.fixture(scope="module", params=["5.10", "7.3"])
def kernel(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def compared(
    kernel: str, packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Compared:
    """Return the results of all objects, compared in one guest."""
    image, folder = provided(kernel), tmp_path_factory.mktemp("guest")
    commands = {name: ["object", "compare", str(file), *LOAD] for name, file in packages.items()}
    return ran(image, GUEST, folder, commands, *MODULES)


def test_the_example_is_counted_and_stays_on_its_ring(compared: Compared) -> None:
    found = found_of(compared["example"])
    assert found["sides"] == ["ringbuf"]
    assert found["alone"] == "it calls bpf_ringbuf_reserve, bpf_ringbuf_submit"
    for each in found["rounds"]:  # it reports any process
        assert each["attempted"] >= each["processes"] + 1


@pytest.mark.parametrize(("name", "other"), [("perf", "ringbuf"), ("ring", "perfbuf")])
def test_both_transports_stand_beside_each_other(compared: Compared, name: str, other: str) -> None:
    found = found_of(compared[name])
    assert (found["other"], found["alone"]) == (other, "")
    assert found["sides"] == ["ringbuf", "perfbuf"]
    for each in found["rounds"]:
        assert each["attempted"] == each["delivered"] == each["processes"] + 1
        # Linux 6.0 and later stable releases, this 5.10 included.
        assert each["lost_told"] == (0 if each["side"] == "perfbuf" else None)


def test_what_a_kernel_lacks_is_named(compared: Compared, kernel: str) -> None:
    if kernel == "5.10":
        for name, cause in (
            ("dynptr", "this kernel has no bpf_ringbuf_reserve_dynptr"),
            ("callback", "this kernel has no callbacks (Linux 5.13)"),
        ):
            done = compared[name]
            assert (done.returncode, done.stderr.count("\n")) == (3, 1), done
            assert f"program handler: {cause}" in done.stderr
        return
    found = found_of(compared["dynptr"])
    assert found["alone"] == ("it calls bpf_ringbuf_reserve_dynptr, bpf_ringbuf_submit_dynptr")
    found = found_of(compared["callback"])
    assert "in a function that is not inlined has no context" in found["alone"]
    for each in found["rounds"]:
        assert each["attempted"] == each["delivered"] == 10 * (each["processes"] + 1)
