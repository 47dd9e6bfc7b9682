# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Blocks: one trial of every arm, in an order that a recorded seed gives again at any time."""

from __future__ import annotations

import random

from bench.plan.experiments import Arm, Experiment


def order(experiment: Experiment, block: int, seed: int) -> tuple[Arm, ...]:
    """Return the arms of ``experiment`` in the random order of block ``block`` (from 0).

    It depends on the seed, the experiment's name and the block alone, so that a run that was
    interrupted goes on in the order it would have had.
    """
    arms = list(experiment.arms)
    random.Random(f"{seed}/{experiment.name}/{block}").shuffle(arms)
    return tuple(arms)
