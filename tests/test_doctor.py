# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from bench.doctor import doctor, least_privilege
from bench.doctor.doctor import Status
from bench.doctor.least_privilege import Need
from bench.errors import MachineUnfit
from bench.linux.capabilities import Capability
from bench.linux.cgroup import ProcessLimit
from bench.linux.machine import Virtualisation

BPF, PERFMON, ADMIN = Capability.BPF, Capability.PERFMON, Capability.SYS_ADMIN


def unfit() -> str:
    raise MachineUnfit("it is missing", remedy="install it")


KVM = Virtualisation(kind="kvm", emulated=False)
TCG = Virtualisation(kind="qemu", emulated=True)
HERE = Path("/sys/kernel/tracing")

FINDINGS = [
    (doctor.privileges(frozenset({BPF, PERFMON})), Status.OK),
    (doctor.privileges(frozenset({ADMIN})), Status.OK),
    (doctor.privileges(frozenset({BPF})), Status.FAIL),
    (doctor.privileges(frozenset()), Status.FAIL),
    (doctor.check("kernel", "5.8.0-1-amd64"), Status.OK),
    (doctor.check("kernel", "5.7.19"), Status.FAIL),
    (doctor.check("kernel", "4.19.0-27-amd64"), Status.FAIL),
    (doctor.required("page size", partial(doctor.page_size, 4_096)), Status.OK),
    (doctor.required("page size", partial(doctor.page_size, 16_384)), Status.FAIL),
    (doctor.required("page size", partial(doctor.page_size, 65_536)), Status.FAIL),
    (doctor.check("BTF", True), Status.OK),
    (doctor.check("BTF", False), Status.FAIL),
    (doctor.tracefs(HERE, supported=True, may_mount=False), Status.OK),
    (doctor.tracefs(None, supported=True, may_mount=True), Status.OK),
    (doctor.tracefs(None, supported=True, may_mount=False), Status.FAIL),
    (doctor.tracefs(None, supported=False, may_mount=True), Status.FAIL),
    (doctor.judge("tracepoint", True, "found", "", fails=True), Status.OK),
    (doctor.judge("tracepoint", False, "closed", "mount it so", fails=True), Status.FAIL),
    (doctor.required("tracers", lambda: "compiled by bcc 0.26.0"), Status.OK),
    (doctor.required("tracers", unfit), Status.FAIL),
    (doctor.objects(lambda: "1.1", can_build=True), Status.OK),
    (doctor.objects(lambda: "1.1", can_build=False), Status.OK),
    (doctor.objects(unfit, can_build=True), Status.WARN),
    (doctor.cpus((0, 1), (0, 1)), Status.OK),
    (doctor.cpus((0,), (0,)), Status.WARN),
    (doctor.cpus((0, 2, 4, 6), (2, 4)), Status.WARN),
    (doctor.check("CPU quota", None), Status.OK),
    (doctor.check("CPU quota", 1.5), Status.WARN),
    (doctor.judge("clocks", True, "one clock", "", fails=True), Status.OK),
    (doctor.judge("clocks", False, "two clocks", "leave it", fails=True), Status.FAIL),
    (doctor.check("clock source", "tsc"), Status.OK),
    (doctor.check("clock source", "kvm-clock"), Status.OK),
    (doctor.check("clock source", "hpet"), Status.WARN),
    (doctor.check("virtualisation", KVM), Status.OK),
    (doctor.check("virtualisation", TCG), Status.WARN),
    (doctor.check("steal", 0.0), Status.OK),
    (doctor.check("steal", 0.2), Status.WARN),
    (doctor.check("load", 0.4, 2), Status.OK),
    (doctor.check("load", 0.4, 1), Status.WARN),
    (doctor.check("scheduling", "other"), Status.OK),
    (doctor.check("scheduling", "batch, nice 10"), Status.WARN),
    (doctor.check("governor", frozenset()), Status.OK),
    (doctor.check("governor", frozenset({"performance"})), Status.OK),
    (doctor.check("governor", frozenset({"performance", "schedutil"})), Status.WARN),
    (doctor.processes(ProcessLimit(32768, "kernel.pid_max")), Status.OK),
    (doctor.processes(ProcessLimit(100, "pids.max")), Status.WARN),
    (doctor.check("perf_event_mlock_kb", 516, False), Status.OK),
    (doctor.check("perf_event_mlock_kb", 4, True), Status.OK),
    (doctor.check("perf_event_mlock_kb", 4, False), Status.WARN),
    (doctor.check("BPF statistics", 0), Status.OK),
    (doctor.check("BPF statistics", None), Status.OK),
    (doctor.check("BPF statistics", 1), Status.WARN),
    (doctor.check("other BPF users", frozenset()), Status.OK),
    (doctor.check("other BPF users", frozenset({12, 7})), Status.WARN),
    (doctor.check("memory", 8 << 30), Status.OK),
    (doctor.check("memory", 100 << 20), Status.WARN),
    (doctor.check("kernel log", True), Status.OK),
    (doctor.check("kernel log", False), Status.WARN),
]


@pytest.mark.parametrize(("finding", "status"), FINDINGS)
def test_findings(finding: doctor.Finding, status: Status) -> None:
    assert finding.status == status
    assert finding.seen
    assert bool(finding.remedy) == (status != Status.OK)


def test_missing_capabilities_are_named() -> None:
    assert doctor.privileges(frozenset({BPF})).seen == "lacks CAP_PERFMON"


def test_this_machine_is_looked_at_from_all_sides() -> None:
    names = [finding.name for finding in doctor.examine()]
    assert len(names) == len(set(names))
    assert {finding.name for finding, _ in FINDINGS} <= {*names}


def need(
    name: str, capabilities: tuple[str, ...], otherwise: str, *, possible: bool = True
) -> Need:
    return Need(
        name=name,
        commands="" if otherwise == "slower" else "trace, run",
        otherwise=otherwise,
        possible=possible,
        capabilities=capabilities,
        refused="Operation not permitted",
    )


@pytest.mark.parametrize("possible", [True, False])
def test_a_tracer_takes_what_all_of_its_parts_take(*, possible: bool) -> None:
    """Leave out parts that no command needs, and for rings those of perf buffers."""
    needs = [
        need("load", ("CAP_BPF", "CAP_PERFMON"), "nothing works"),
        need("map buffers", ("CAP_IPC_LOCK",), "ring buffers alone", possible=possible),
        need("count time", ("CAP_SYS_ADMIN",), "slower"),
    ]
    ring = ("CAP_BPF", "CAP_PERFMON")
    perf = (*ring, "CAP_IPC_LOCK") if possible else None
    assert least_privilege.by_transport(needs) == {"ringbuf": ring, "perfbuf": perf}
