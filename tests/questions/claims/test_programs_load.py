# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Load the most that the verifier has to accept: programs that time a loop of 1,000 records."""

from __future__ import annotations

import os

import pytest

from bench.questions.claims import run
from bench.questions.transports import profiles
from bench.tracer import chooser
from bench.tracer.build import Kernel
from bench.tracer.transports import find
from bench.trial.rig import Rig

pytestmark = [pytest.mark.live, pytest.mark.slow]


def test_every_duet_of_several_records_an_exit_is_loaded() -> None:
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    planned = (
        *run.experiments(cpus, Kernel.probe()),
        *profiles.profile("thorough", cpus).experiments,
    )
    loaded = 0
    with Rig() as rig:
        for arm in (arm for each in planned for arm in each.arms):
            way = find(arm.config.transport) if arm.name.budget else None
            if way is None or arm.config.duet is None or arm.config.producer.records_per_exit == 1:
                continue
            for marked in ({}, {"SECOND_ARM": 1}):
                macros = chooser.MACROS | marked
                assert rig.program_for(way, arm.config, macros).load_all()
                loaded += 1
    assert loaded >= 8
