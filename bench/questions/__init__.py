# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The questions that are asked: each owns its plan, its judging and its words."""
