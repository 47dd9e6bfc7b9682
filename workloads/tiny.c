// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Executed by a storm's children on request: exits at once with the given code. */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	_exit(argc > 1 ? atoi(argv[1]) : 0);
}
