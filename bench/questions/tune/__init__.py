# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer when to wake the consumer: the watermark and flush timeout for a load."""
