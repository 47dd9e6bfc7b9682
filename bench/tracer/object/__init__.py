# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Other people's BPF objects: packaged, loaded by the system's libbpf, events read as columns."""
