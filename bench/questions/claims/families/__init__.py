# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define claims, a family in each file: statements and the rules that judge them."""
