# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Be a good process on the host: subprocesses, signals, locks, scratch folders, limits."""
