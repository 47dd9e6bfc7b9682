# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Kernels beside each other: a row for each, curves over versions, where changes set in; pure."""
