# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import os

from bench.machine import facts


def test_collect_says_what_it_was_told_and_what_it_saw() -> None:
    machine = facts.collect(
        bcc_version="0.26.0", kernel_facts={"pending_pos": "yes"}, wakeup_cost_ns=12.5
    )
    assert machine.kernel_release == os.uname().release
    assert machine.kernel_facts == {"pending_pos": "yes"}
    assert machine.wakeup_cost_ns == 12.5
    assert machine.cpus_online >= 1
    assert machine.memory_bytes > 1 << 20
    assert machine.harness_version
