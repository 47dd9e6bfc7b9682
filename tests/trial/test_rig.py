# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a rig leaves nothing behind in the process."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from trials import run

from bench.plan.config import Attach, Producer, TrialConfig
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


def test_a_tracepoint_is_held_between_the_trials_that_use_it_and_in_no_other() -> None:
    small = Storm(count=100)
    traced = TrialConfig(transport="ringbuf", budget_bytes=65536, storm=small)
    by_name = TrialConfig(
        transport="ringbuf", budget_bytes=65536, storm=small, producer=Producer(attach=Attach.RAW)
    )
    before = perf_events()
    with Rig() as rig:
        for config, held in (
            (traced, 1),
            (traced, 1),
            (by_name, 0),
            (traced, 1),
            (TrialConfig(transport="none", budget_bytes=0, storm=small), 0),
            (TrialConfig(transport="noop", budget_bytes=0, storm=small), 1),
        ):
            run(rig, config)
            assert perf_events() == before + held, config.transport
    assert perf_events() == before


def perf_events() -> int:
    opened = [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(str(each.readlink()) == "anon_inode:[perf_event]" for each in opened)


def compiled() -> int:
    gc.collect()
    return sum(type(each).__name__ == "BPF" for each in gc.get_objects())
