# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sample the positions of other programs' buffers from outside, without writing to any."""

from __future__ import annotations

from bench.tracer.sampler.sampler import Sampler, Seen

__all__ = ["Sampler", "Seen"]
