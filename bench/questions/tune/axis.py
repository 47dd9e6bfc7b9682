# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Name the axes on which a recommendation can be best."""

from __future__ import annotations

from enum import StrEnum


class Axis(StrEnum):
    """Choose what a recommendation must optimise."""

    LATENCY = "latency"  # the 99th percentile
    CPU = "cpu"  # the consumer's, whatever the latency
    BALANCE = "balance"  # the consumer's CPU, within a limit of the 99th percentile
