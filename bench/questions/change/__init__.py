# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer what changed between two sets of journals."""
