# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure: arrays in, numbers out. No root, no bcc, no clock."""
