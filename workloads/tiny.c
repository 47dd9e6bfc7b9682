// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What children exec when a storm is asked to: exits at once with the code it is given. */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	_exit(argc > 1 ? atoi(argv[1]) : 0);
}
