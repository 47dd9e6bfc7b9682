# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How full are the buffers of this machine, and whose are they?"""
