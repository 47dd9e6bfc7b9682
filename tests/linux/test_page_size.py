# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that pages other than of 4 KiB are refused, by runs and by trace, before loading."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from bench.errors import ExitCode, MachineUnfit
from bench.tracer import live
from bench.trial.rig import Rig


@pytest.mark.parametrize("start", [Rig, lambda: live.opened("ringbuf", None).__enter__()])
def test_other_pages_are_refused(
    start: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.sysconf
    monkeypatch.setattr(os, "sysconf", lambda name: 65_536 if "PAGE" in str(name) else real(name))
    with pytest.raises(MachineUnfit, match="pages are of 64 KiB, not of 4") as refused:
        start()
    assert refused.value.exit_code == ExitCode.MACHINE_UNFIT
