/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Marks that the guest's program executes and the plugin knows: a nop with an address of its own. */
#ifndef EXACT_MARKS_H
#define EXACT_MARKS_H

#define MARK_NEXT 0x6c6c6163 /* what follows belongs to the next call of the plan */
#define MARK_RUNS 0x736e7572 /* what follows are its runs that count */
#define MARK_OVER 0x7265766f /* there is no other call */

#endif
