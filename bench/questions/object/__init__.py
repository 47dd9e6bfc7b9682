# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How do the buffers of another tracer perform, and how would it perform on the other transport?"""
