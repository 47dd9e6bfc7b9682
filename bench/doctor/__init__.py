# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Say what this machine can do, and which privileges that takes."""
