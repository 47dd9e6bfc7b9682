# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How do an object's own buffers do, and how would it do on the other transport?"""
