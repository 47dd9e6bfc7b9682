// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Preloaded into a QEMU that counts instructions: hold its main loop while virtual CPUs run.
 *
 * The main loop is woken by each of the guest's timers, and acts when this machine schedules it. If
 * that is between a CPU's halt and the sleep of the thread that runs all CPUs, it moves the guest's
 * clock or ends a turn, in one run and not in the next. So let it act while that thread sleeps, or
 * once QEMU is to end.
 *
 * And give QEMU the guest's time where it asks for this machine's. It shrinks its table of address
 * translations if little of it was used for 100 ms. While a translation is in there, the guest's page
 * tables are not read, nor is the page marked as accessed in them; a kernel that samples these marks
 * (DAMON, by itself from 6.17 on) sees how large the table was.
 *
 * And share time among the CPUs where QEMU does not (before 8.1). There the first runs until a timer
 * is due, unless it pauses or halts, and for the others nothing is left: where it waits for another,
 * it waits for ever. A CPU that is asked to leave has its turn once the timers have run, before the
 * first begins again.
 *
 * And keep turns short: QEMU's last until the guest's next timer, milliseconds, in which a CPU spins
 * for what the other holds, and a consumer that was woken waits. A timer of this library ends them
 * sooner; it is an external one, which an idle guest's clock does not stop at.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic(pthread_cond_t *) halted; /* what the CPUs' thread waits for */
static atomic_int asleep;		 /* whether it does, and nobody has woken it */

/* Of x86's pthread_cond_wait() there is an older one, which some versions of dlsym() prefer. */
static void *next(const char *name)
{
	void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");

	return found ? found : dlsym(RTLD_NEXT, name);
}

/* How often a held main loop checks whether QEMU is to end, for which no CPU needs to sleep. */
static const struct timespec look = {.tv_sec = 1};

static pthread_mutex_t *turns; /* which the CPUs' thread has between two turns */
static pthread_t main_loop, cpus;

/* QEMU's own, of which its binary exports all. */
struct CPUState;
struct QEMUTimer;
static struct {
	int64_t (*deadline)(int clock, int attributes);
	struct CPUState *(*cpu)(int at);
	void (*exit)(struct CPUState *cpu);
	int64_t (*now)(int clock);
	void (*make)(struct QEMUTimer *timer, void *group, int clock, int scale, int attributes,
		     void (*run)(void *), void *given);
	void (*arm)(struct QEMUTimer *timer, int64_t at_ns);
	int (*ends)(void);
} qemu;

enum { VIRTUAL_CLOCK = 1, ANY_TIMER = -1, NANOSECONDS = 1, EXTERNAL = 1 };

enum { TURN_NS = 20000 };

static union {
	char bytes[256]; /* more than a QEMUTimer has */
	max_align_t aligned;
} turn;

static int64_t turn_began_ns;

static void end_turn(void *timer)
{
	turn_began_ns = qemu.now(VIRTUAL_CLOCK);
	qemu.arm(timer, turn_began_ns + TURN_NS);
}

static void keep_turns_short(void)
{
	struct QEMUTimer *timer = (struct QEMUTimer *)&turn;

	if (!qemu.now || !qemu.make || !qemu.arm)
		return;
	qemu.make(timer, NULL, VIRTUAL_CLOCK, NANOSECONDS, EXTERNAL, end_turn, timer);
	end_turn(timer);
}

__attribute__((constructor)) static void find_qemu(void)
{
	main_loop = pthread_self();
	qemu.ends = dlsym(RTLD_DEFAULT, "qemu_shutdown_requested_get");
	qemu.now = dlsym(RTLD_DEFAULT, "qemu_clock_get_ns");
	qemu.make = dlsym(RTLD_DEFAULT, "timer_init_full");
	qemu.arm = dlsym(RTLD_DEFAULT, "timer_mod_ns");
	if (dlsym(RTLD_DEFAULT, "icount_percpu_budget"))
		return;
	qemu.deadline = dlsym(RTLD_DEFAULT, "qemu_clock_deadline_ns_all");
	qemu.cpu = dlsym(RTLD_DEFAULT, "qemu_get_cpu");
	qemu.exit = dlsym(RTLD_DEFAULT, "cpu_exit");
}

static void share_time(void)
{
	struct CPUState *cpu;

	if (!qemu.deadline || !qemu.cpu || !qemu.exit)
		return;
	if (qemu.deadline(VIRTUAL_CLOCK, ANY_TIMER))
		return;
	for (int at = 1; (cpu = qemu.cpu(at)); at++)
		qemu.exit(cpu);
}

static int in_main_loop(void)
{
	return pthread_equal(pthread_self(), main_loop);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*lock)(pthread_mutex_t *);

	if (!lock)
		lock = next("pthread_mutex_lock");
	if (mutex == turns && pthread_equal(pthread_self(), cpus))
		share_time();
	return lock(mutex);
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	static int (*wait)(pthread_cond_t *, pthread_mutex_t *);

	if (!wait)
		wait = next("pthread_cond_wait");
	if (!in_main_loop()) {
		if (!halted)
			keep_turns_short();
		cpus = pthread_self();
		turns = mutex;
		halted = condition;
		asleep = 1;
		syscall(SYS_futex, &asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return wait(condition, mutex);
}

int pthread_cond_broadcast(pthread_cond_t *condition)
{
	static int (*broadcast)(pthread_cond_t *);

	if (!broadcast)
		broadcast = next("pthread_cond_broadcast");
	if (condition == halted)
		asleep = 0;
	return broadcast(condition);
}

/* QEMU takes some nanoseconds of this machine for one of the guest. */
enum { SLOWNESS = 10 };

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	static int (*get)(struct timeval *, void *);

	if (!get)
		get = next("gettimeofday");
	if (!qemu.now || !pthread_equal(pthread_self(), cpus))
		return get(time, zone);
	time->tv_sec = turn_began_ns * SLOWNESS / 1000000000;
	time->tv_usec = turn_began_ns * SLOWNESS / 1000 % 1000000;
	return 0;
}

/* Whether QEMU is to end. It forgets that as it acts on it, and polls again while it ends. */
static int over(void)
{
	static int asked;

	if (qemu.ends && qemu.ends())
		asked = 1;
	return asked;
}

int ppoll(struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	static int (*poll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	int found;

	if (!poll)
		poll = next("ppoll");
	found = poll(files, count, timeout, mask);
	if (halted && in_main_loop())
		while (!over() && !asleep)
			syscall(SYS_futex, &asleep, FUTEX_WAIT_PRIVATE, 0, &look, NULL, 0);
	return found;
}
