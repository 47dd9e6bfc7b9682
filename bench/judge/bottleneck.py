# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find what was short where records were lost: the buffer or its consumer."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

import numpy as np

from bench.measure.columns import Floats
from bench.trial.result import TrialResult

BUSY_SHARE: Final = 0.9
"""Share of the storm that a consumer has to be on its CPU to count as busy throughout."""


class Bottleneck(StrEnum):
    """What was short."""

    NONE = "none"  # nothing was lost
    BUFFER = "buffer"  # the consumer had time to spare, but came too late: give it room
    CONSUMER = "consumer"  # it never rested: more room would only delay the loss


def bottleneck(trial: TrialResult) -> Bottleneck:
    """Return what one trial lost its own records for."""
    if trial.ledger is None or trial.occupancy is None or not trial.ledger.own_dropped:
        return Bottleneck.NONE
    busy = trial.occupancy.consumer_busy_share
    return Bottleneck.CONSUMER if busy >= BUSY_SHARE else Bottleneck.BUFFER


def usual(dropped: Floats, busy: Floats) -> Bottleneck:
    """Return what most of the trials that lost something were short of; NONE without any.

    Of each trial: own records that were dropped, and the share that its consumer was busy.
    """
    busy = busy[(dropped > 0) & ~np.isnan(busy)]
    if not len(busy):
        return Bottleneck.NONE
    found = Counter((busy >= BUSY_SHARE).tolist())
    return Bottleneck.CONSUMER if found.most_common(1)[0][0] else Bottleneck.BUFFER
