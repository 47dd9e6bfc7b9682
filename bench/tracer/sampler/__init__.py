# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sample others' buffers from outside: their positions, without a write to any of them."""

from __future__ import annotations

from bench.tracer.sampler.sampler import Sampler, Seen

__all__ = ["Sampler", "Seen"]
