# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge: journals in, comparisons and verdicts out. Pure."""
