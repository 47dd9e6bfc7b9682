# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Does a tool see every exit, and does it report what it missed?"""
