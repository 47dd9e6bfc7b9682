# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""BPF objects of others: packaged, loaded by the system's libbpf, their events read as columns."""
