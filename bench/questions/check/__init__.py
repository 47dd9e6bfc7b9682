# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer whether a tool sees every exit, and reports those that it missed."""
