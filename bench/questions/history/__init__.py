# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How does each number develop over time, and over kernels?"""
