# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The tracer: BPF programs, transports and the capture that reads them."""
