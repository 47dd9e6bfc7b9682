# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench object compare on a kernel that lacks what later ones have, and on the newest."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
from objects import DYNPTR, LOOP, SENDS, SENDS_IN_LOOP, build, packaged, source
from real_kernels import provided
from tracing import BUFBENCH

from bench.guests.boot import Guest, booted

pytestmark = [pytest.mark.guests, pytest.mark.live, pytest.mark.slow]

GUEST = Guest(cpus=2, memory_mib=1024, time_limit_s=1_200.0, kvm=False)
LOAD: Final = "--blocks 1 --rate 200 --seconds 500ms --budget 256K --json"
EXAMPLE: Final = Path(__file__).parents[2] / "examples/exitsnoop/exitsnoop.bpf.c"
SOURCES: Final = {
    "perf": source(SENDS["perf"]),
    "ring": source(SENDS["ring"]),
    "callback": source(SENDS_IN_LOOP, kind="ring", before=LOOP),
    "dynptr": source(DYNPTR, kind="ring"),
}


class Compared:
    """What became of each object on one kernel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def code(self, name: str) -> int:
        return int((self.folder / f"{name}.code").read_text())

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.said").read_text()

    def found(self, name: str) -> dict[str, Any]:
        """Return the result of an object whose comparison went well: every event balances."""
        assert self.code(name) == 0, self.said(name)
        found: dict[str, Any] = json.loads((self.folder / f"{name}.out").read_text())
        assert found["uncounted"] == ""
        for each in found["rounds"]:
            assert each["attempted"] == each["failed"] + each["delivered"] + each["discarded"]
            assert each["processes"] >= 100
        return found


@pytest.fixture(scope="module", params=["5.10", "7.3"])
def kernel(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def compared(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """All objects, built here, in one guest."""
    image = provided(kernel)
    folder = tmp_path_factory.mktemp("guest")
    files = {"example": packaged(EXAMPLE, folder / "example.json")}
    for name, text in SOURCES.items():
        (folder / f"of-{name}").mkdir()
        files[name] = build(folder / f"of-{name}", text)
    begin = shlex.join([*BUFBENCH, "object", "compare"])
    commands = [
        f"{begin} {file} {LOAD} > {folder}/{name}.out 2> {folder}/{name}.said; "
        f"echo $? > {folder}/{name}.code"
        for name, file in files.items()
    ]
    with booted(image, GUEST, folder, ["/bin/sh", "-c", "; ".join(commands)]) as watch:
        assert watch.stdout is not None
        watch.stdout.read()
    return Compared(folder)


def test_the_example_is_counted_and_stays_on_its_ring(compared: Compared) -> None:
    found = compared.found("example")
    assert found["sides"] == ["ringbuf"]
    assert found["alone"] == "it calls bpf_ringbuf_reserve, bpf_ringbuf_submit"
    for each in found["rounds"]:  # it reports any process
        assert each["attempted"] >= each["processes"] + 1


@pytest.mark.parametrize(("name", "other"), [("perf", "ringbuf"), ("ring", "perfbuf")])
def test_both_transports_stand_beside_each_other(
    compared: Compared, kernel: str, name: str, other: str
) -> None:
    found = compared.found(name)
    assert (found["other"], found["alone"]) == (other, "")
    assert found["sides"] == ["ringbuf", "perfbuf"]
    for each in found["rounds"]:
        assert each["attempted"] == each["delivered"] == each["processes"] + 1
        counts_its_losses = each["side"] == "perfbuf" and kernel != "5.10"  # from 6.0 on
        assert each["lost_told"] == (0 if counts_its_losses else None)


def test_what_a_kernel_lacks_is_named(compared: Compared, kernel: str) -> None:
    if kernel == "5.10":
        for name, cause in (
            ("dynptr", "this kernel has no bpf_ringbuf_reserve_dynptr"),
            ("callback", "this kernel has no callbacks (Linux 5.13)"),
        ):
            assert (compared.code(name), compared.said(name).count("\n")) == (3, 1)
            assert f"program handler: {cause}" in compared.said(name)
        return
    found = compared.found("dynptr")
    assert found["alone"] == ("it calls bpf_ringbuf_reserve_dynptr, bpf_ringbuf_submit_dynptr")
    found = compared.found("callback")
    assert "in a function that is not inlined has no context" in found["alone"]
    for each in found["rounds"]:
        assert each["attempted"] == each["delivered"] == 10 * (each["processes"] + 1)
