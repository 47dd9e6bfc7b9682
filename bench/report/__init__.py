# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report: renders what judge says; computes nothing that a verdict hangs on."""
