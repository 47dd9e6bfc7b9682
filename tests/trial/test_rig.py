# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a rig leaves behind in the process: nothing."""

from __future__ import annotations

import gc

import pytest
from trials import run

from bench.plan.config import TrialConfig
from bench.trial.rig import Rig
from workloads.storm import Storm

pytestmark = pytest.mark.live


def test_no_tracer_is_kept_once_its_rig_has_gone() -> None:
    before = compiled()
    with Rig() as rig:
        for transport in ("ringbuf", "perfbuf"):
            run(rig, TrialConfig(transport=transport, budget_bytes=65536, storm=Storm(count=100)))
        assert compiled() >= before + 2
    del rig
    assert compiled() == before


def compiled() -> int:
    gc.collect()
    return sum(type(each).__name__ == "BPF" for each in gc.get_objects())
