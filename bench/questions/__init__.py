# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer questions: each room here owns its plan, its judging and its words."""
