# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Does anything leak or fail to balance over a long time?"""
