# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How large does a buffer have to be?"""
