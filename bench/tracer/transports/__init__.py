# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The transports, a file each: it defines TRANSPORT and is found by its name."""
