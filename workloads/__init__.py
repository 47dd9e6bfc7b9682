# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The fork-storm generator: ``forkstorm`` (C, static) and its typed front end."""
