# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The event record, counters and footprints as values."""
