# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Trace exits: BPF programs, transports and the capture that reads them."""
