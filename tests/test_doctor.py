# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

from pathlib import Path

import pytest

from bench.doctor import doctor
from bench.doctor.doctor import Status
from bench.errors import MachineUnfit
from bench.linux.capabilities import Capability
from bench.linux.process_limits import ProcessLimit
from bench.linux.virtualisation import Virtualisation

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
    (doctor.kernel("5.8.0-1-amd64"), Status.OK),
    (doctor.kernel("5.7.19"), Status.FAIL),
    (doctor.kernel("4.19.0-27-amd64"), Status.FAIL),
    (doctor.page_size(4_096), Status.OK),
    (doctor.page_size(16_384), Status.FAIL),
    (doctor.page_size(65_536), Status.FAIL),
    (doctor.btf(present=True), Status.OK),
    (doctor.btf(present=False), Status.FAIL),
    (doctor.tracefs(HERE, supported=True, may_mount=False), Status.OK),
    (doctor.tracefs(None, supported=True, may_mount=True), Status.OK),
    (doctor.tracefs(None, supported=True, may_mount=False), Status.FAIL),
    (doctor.tracefs(None, supported=False, may_mount=True), Status.FAIL),
    (doctor.tracepoint(readable=True, remedy=""), Status.OK),
    (doctor.tracepoint(readable=False, remedy="mount it so"), Status.FAIL),
    (doctor.library("bcc", lambda: "0.26.0"), Status.OK),
    (doctor.library("bcc", unfit), Status.FAIL),
    (doctor.cpus((0, 1), (0, 1)), Status.OK),
    (doctor.cpus((0,), (0,)), Status.WARN),
    (doctor.cpus((0, 2, 4, 6), (2, 4)), Status.WARN),
    (doctor.cpu_quota(None), Status.OK),
    (doctor.cpu_quota(1.5), Status.WARN),
    (doctor.time_namespace(shared=True, seen="one clock", remedy=""), Status.OK),
    (doctor.time_namespace(shared=False, seen="two clocks", remedy="leave it"), Status.FAIL),
    (doctor.clock("tsc"), Status.OK),
    (doctor.clock("kvm-clock"), Status.OK),
    (doctor.clock("hpet"), Status.WARN),
    (doctor.emulation(KVM), Status.OK),
    (doctor.emulation(TCG), Status.WARN),
    (doctor.steal(0.0), Status.OK),
    (doctor.steal(0.2), Status.WARN),
    (doctor.load(0.4, 2), Status.OK),
    (doctor.load(0.4, 1), Status.WARN),
    (doctor.scheduled("other"), Status.OK),
    (doctor.scheduled("batch, nice 10"), Status.WARN),
    (doctor.governor(frozenset()), Status.OK),
    (doctor.governor(frozenset({"performance"})), Status.OK),
    (doctor.governor(frozenset({"performance", "schedutil"})), Status.WARN),
    (doctor.processes(ProcessLimit(32768, "kernel.pid_max")), Status.OK),
    (doctor.processes(ProcessLimit(100, "pids.max")), Status.WARN),
    (doctor.perf_mlock(516, privileged=False), Status.OK),
    (doctor.perf_mlock(4, privileged=True), Status.OK),
    (doctor.perf_mlock(4, privileged=False), Status.WARN),
    (doctor.bpf_stats(0), Status.OK),
    (doctor.bpf_stats(None), Status.OK),
    (doctor.bpf_stats(1), Status.WARN),
    (doctor.other_bpf(frozenset()), Status.OK),
    (doctor.other_bpf(frozenset({12, 7})), Status.WARN),
    (doctor.free_memory(8 << 30), Status.OK),
    (doctor.free_memory(100 << 20), Status.WARN),
    (doctor.kernel_log(readable=True), Status.OK),
    (doctor.kernel_log(readable=False), Status.WARN),
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
