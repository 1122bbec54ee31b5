/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call that is under way in a process of its own, watched and ended by another
 * instance of this program. The two meet in a file that holds the process's
 * number, and "0" when it has ended.
 */
#ifndef FLIGHT_H
#define FLIGHT_H

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include "tool.h"

/* Longer than any start of a process, shorter than the host's patience. */
#define FLIGHT_DEADLINE_NS 50000000000ull

static void flight_announce(const char *file, pid_t pid)
{
	char temporary[256];
	FILE *out;

	snprintf(temporary, sizeof(temporary), "%s.tmp", file);
	out = fopen(temporary, "we");
	if (!out || fprintf(out, "%d\n", pid) < 0 || fclose(out) || rename(temporary, file))
		die("cannot write %s", file);
}

static void pause_1ms(void)
{
	nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
}

/* The process of a call, 0 when it has ended; waits for it to be announced. */
static pid_t flight_find(const char *file)
{
	uint64_t deadline = clock_ns() + FLIGHT_DEADLINE_NS;

	for (;; pause_1ms()) {
		FILE *in = fopen(file, "re");
		int pid;

		if (in && fscanf(in, "%d", &pid) == 1) {
			fclose(in);
			return pid;
		}
		if (in)
			fclose(in);
		errno = 0;
		if (clock_ns() > deadline)
			die("no call was announced in %s", file);
	}
}

/* Its state as in proc(5), 'X' when it is gone. */
static char flight_state(pid_t pid)
{
	char path[64], line[512], *after, state = 'X';
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	in = fopen(path, "re");
	if (!in)
		return 'X';
	/* The name in parentheses may have anything in it. */
	if (fgets(line, sizeof(line), in) && (after = strrchr(line, ')')) && after[1])
		state = after[2];
	fclose(in);
	return state;
}

/*
 * Waits until the call sleeps in the kernel, uninterruptibly or killably, which
 * proc(5) both calls D, in 20 looks: more than it does on the way to its I/O. Not
 * on end, since the commands of a fast disk wake it again and again.
 */
static void cmd_asleep(int argc, char **argv)
{
	uint64_t deadline = clock_ns() + FLIGHT_DEADLINE_NS;

	if (argc != 1)
		die("asleep: want FILE");
	for (int seen = 0; seen < 20; pause_1ms()) {
		pid_t pid = flight_find(argv[0]);
		char state = pid ? flight_state(pid) : 'X';

		if (state == 'X' || state == 'Z' || clock_ns() > deadline) {
			printf("asleep no state=%c\n", state);
			return;
		}
		seen += state == 'D';
	}
	printf("asleep yes\n");
}

static void flight_kill(const char *file)
{
	pid_t pid = flight_find(file);

	errno = 0;
	if (!pid)
		die("the call had ended by itself");
	if (kill(pid, SIGKILL))
		die("cannot kill %d", pid);
}

/* Sends SIGKILL to the call's process, which may not be able to end yet. */
static void cmd_send_kill(int argc, char **argv)
{
	if (argc != 1)
		die("send-kill: want FILE");
	flight_kill(argv[0]);
}

/* Kills the call's process and says how long it took to end. */
static void cmd_kill(int argc, char **argv)
{
	uint64_t begin;

	if (argc != 1)
		die("kill: want FILE");
	begin = clock_ns();
	flight_kill(argv[0]);
	while (flight_find(argv[0]))
		pause_1ms();
	printf("killed ns=%llu\n", (unsigned long long)(clock_ns() - begin));
}

#endif
