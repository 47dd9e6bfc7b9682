# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Which kernel is the first on which a number is another?"""
