# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer how each number develops over time, and over kernels."""
