# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Machine: the one place that knows /proc, /sys and the kernel's facts."""
