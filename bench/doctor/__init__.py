# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report what this machine can do, and which privileges that needs."""
