# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Package other people's BPF objects, load them by the system's libbpf, read events as columns."""
