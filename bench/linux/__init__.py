# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Thin wrappers of the kernel's interfaces, without policy."""
