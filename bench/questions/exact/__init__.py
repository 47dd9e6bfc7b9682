# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What does a call cost on each kernel, to the instruction?"""
