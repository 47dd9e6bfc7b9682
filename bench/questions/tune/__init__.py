# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""When to wake the consumer: which watermark and flush timeout for a load?"""
