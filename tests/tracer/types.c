/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Types whose BTF the tests read, and where their members are: "TYPE PATH BYTES". */
#include <stddef.h>
#include <stdio.h>

typedef const volatile struct inner inner_t;

struct inner {
	char first;
	long second;
};

struct outer {
	int plain;
	union {
		struct {
			short hidden;
			long deep;
		};
		char other[40];
	};
	struct inner named;
	unsigned int bit : 1, bits : 7;
	inner_t *pointer;
	struct inner last;
};

struct outer instance;

int main(void)
{
	printf("outer plain %zu\n", offsetof(struct outer, plain));
	printf("outer hidden %zu\n", offsetof(struct outer, hidden));
	printf("outer deep %zu\n", offsetof(struct outer, deep));
	printf("outer other %zu\n", offsetof(struct outer, other));
	printf("outer named.second %zu\n", offsetof(struct outer, named.second));
	printf("outer pointer %zu\n", offsetof(struct outer, pointer));
	printf("outer last.first %zu\n", offsetof(struct outer, last.first));
	printf("outer last.second %zu\n", offsetof(struct outer, last.second));
	printf("inner second %zu\n", offsetof(struct inner, second));
	return 0;
}
