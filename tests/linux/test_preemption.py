# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

from pathlib import Path

import pytest

from bench.linux import machine

DYNAMIC = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)"
BUILT_FULL = "CONFIG_PREEMPT_BUILD=y\n# CONFIG_PREEMPT_NONE is not set\nCONFIG_PREEMPT=y\n"
BUILT_NONE = "CONFIG_PREEMPT_BUILD=y\nCONFIG_PREEMPT_NONE=y\n# CONFIG_PREEMPT is not set\n"


@pytest.mark.parametrize(
    ("debugfs", "version", "cmdline", "config", "model"),
    [
        ("none voluntary (full) lazy\n", DYNAMIC, "preempt=none", BUILT_NONE, "full"),
        (None, DYNAMIC, "quiet preempt=full console=ttyS0", BUILT_NONE, "full"),
        (None, DYNAMIC, "preempt=none preempt=lazy", None, "lazy"),
        (None, DYNAMIC, "quiet", BUILT_NONE, "none"),
        (None, DYNAMIC, "nopreempt=full", BUILT_FULL, "full"),
        (None, DYNAMIC, "quiet", None, "unknown"),
        (None, "#1 SMP PREEMPT_RT Debian 6.1.76-1", "", BUILT_FULL, "rt"),
        ("full (lazy)\n", "#1 SMP PREEMPT_RT Debian 6.12.118-1", "", None, "rt"),
        (None, "#1 SMP Debian 5.10.209-2", "preempt=full", BUILT_NONE, "none"),
        (None, "#1 SMP PREEMPT Debian", "", None, "full"),
        (None, "#1 SMP Debian 5.10.209-2", "", None, "unknown"),
        (None, "#1 SMP", "", "CONFIG_X86=y\n", "unknown"),
    ],
)
def test_the_surest_source_wins(
    debugfs: str | None, version: str, cmdline: str, config: str | None, model: str
) -> None:
    seen = machine.preemption_model(
        debugfs=debugfs, version=version, cmdline=cmdline, config=config
    )
    assert seen == model


def test_this_machine_has_one_of_the_models() -> None:
    assert machine.preemption() in {"none", "voluntary", "full", "lazy", "rt", "unknown"}


def test_a_guest_learns_where_its_build_configuration_lies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("CONFIG_PREEMPT_VOLUNTARY=y\n")
    monkeypatch.setenv(machine.CONFIG_VARIABLE, str(config))
    found = machine._build_config()
    assert (
        machine.preemption_model(debugfs=None, version="#1 SMP", cmdline="", config=found)
        == "voluntary"
    )
