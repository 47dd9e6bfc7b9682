# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import os

from bench.linux import machine


def test_collect_returns_what_it_was_given_and_what_it_saw() -> None:
    found = machine.collect(
        bcc_version="0.26.0", kernel_facts={"pending_pos": "yes"}, wakeup_cost_ns=12.5
    )
    assert found.kernel_release == os.uname().release
    assert found.kernel_facts == {"pending_pos": "yes"}
    assert found.wakeup_cost_ns == 12.5
    assert found.cpus_online >= 1
    assert found.memory_bytes > 1 << 20
    assert found.harness_version
