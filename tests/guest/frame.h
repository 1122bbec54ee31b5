/* SPDX-License-Identifier: GPL-2.0-only */
/* A case's frame: what is traced while it runs, and the kernel's messages. */
#ifndef FRAME_H
#define FRAME_H

#include <sys/klog.h>
#include <sys/mount.h>
#include "bytes.h"
#include "tool.h"

#define TRACING "/sys/kernel/tracing"

/* Events to trace, of subsystem block unless it is given as SUBSYSTEM/EVENT; with a ! no more. */
static void cmd_trace(int argc, char **argv)
{
	char path[256];

	if (access(TRACING "/trace", F_OK) && mount("tracefs", TRACING, "tracefs", 0, NULL))
		die("cannot mount tracefs");
	for (; argc; argc--, argv++) {
		bool on = **argv != '!';

		snprintf(path, sizeof(path), TRACING "/events/%s%s/enable",
			 strchr(*argv, '/') ? "" : "block/", *argv + !on);
		if (access(path, W_OK)) {
			printf("trace event=%s there=no\n", *argv);
			continue;
		}
		write_file(path, on ? "1" : "0");
		printf("trace event=%s there=yes\n", *argv);
	}
}

/* Empties the ring buffer: opening for writing does. */
static void cmd_trace_clear(int argc, char **argv)
{
	(void)argv;
	if (argc)
		die("trace-clear: want nothing");
	close(open_or_die(TRACING "/trace", O_WRONLY | O_TRUNC));
}

static void cmd_trace_print(int argc, char **argv)
{
	(void)argv;
	if (argc)
		die("trace-print: want nothing");
	pour(open_or_die(TRACING "/trace", O_RDONLY), "the trace");
}

/* Sync and drop the caches of the devices, and mark the kernel's log. */
static void cmd_begin(int argc, char **argv)
{
	char line[256];

	if (!argc)
		die("begin: want MARKER [DEVICE...]");
	/* Without the newline the record stays open, and readers do not get it. */
	snprintf(line, sizeof(line), "%s\n", argv[0]);
	write_file("/dev/kmsg", line);
	/* Later than the marker: what the kernel says of it must be heard. */
	cmd_flush(argc - 1, argv + 1);
}

/* Whether the kernel is tainted, and its messages since the marker. */
static void cmd_end(int argc, char **argv)
{
	static char log[1 << 20];
	char *text;
	int bytes;

	if (argc != 1)
		die("end: want MARKER");
	printf("tainted ");
	fflush(stdout);
	pour(open_or_die("/proc/sys/kernel/tainted", O_RDONLY), "the taint");
	/* One call for all of it; /dev/kmsg takes one for each message. */
	bytes = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, sizeof(log) - 1);
	if (bytes < 0)
		die("cannot read the kernel's log");
	log[bytes] = 0;
	text = strstr(log, argv[0]);
	text = text ? strchr(text, '\n') : NULL;
	if (!text) {
		errno = 0;
		die("the marker is not in the kernel's log any more");
	}
	fputs(text + 1, stdout);
}

#endif
