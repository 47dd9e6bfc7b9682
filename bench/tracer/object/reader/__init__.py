# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read buffers whose records may be anything: count them, and date them by one of their fields."""

from __future__ import annotations

from bench.tracer.object.reader.reader import BIN_BITS, Reader

__all__ = ["BIN_BITS", "Reader"]
