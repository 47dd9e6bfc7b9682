# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Represent the event record, counters and footprints as values."""
