# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep the one record of what happened: JSON Lines, append-only."""
