// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmtable - set up and remove device mapper devices in a guest.
 *
 * dmsetup does the same and more, but takes some 0.3 s to start in an emulated
 * guest, and makes its links in /dev only with the help of udev.
 *
 *	dmtable create NAME "START LENGTH TARGET PARAMETERS"...
 *	dmtable create-read-only NAME "START LENGTH TARGET PARAMETERS"...
 *	dmtable load NAME "START LENGTH TARGET PARAMETERS"...
 *	dmtable suspend NAME [noflush]
 *	dmtable resume NAME
 *	dmtable reload NAME "START LENGTH TARGET PARAMETERS"...
 *	dmtable message NAME SECTOR TEXT
 *	dmtable status NAME
 *	dmtable time NAME "START LENGTH TARGET PARAMETERS"
 *	dmtable remove NAME...
 *
 * "create" and "create-read-only" print "dmtable device=/dev/dm-N number=MAJOR:MINOR". What is loaded
 * takes effect with "resume"; "reload" is load, suspend and resume. "status"
 * prints a line for each target: START LENGTH TARGET STATUS. "time" creates a
 * device, waits for its first event, such as that a mirror is in sync or has lost
 * a leg, prints its status as "status" does and "dmtable ns=N busy_ms=N", which is
 * how long that took from when the table took effect and what the CPUs worked
 * meanwhile, and removes the device. Sectors are of 512 bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/dm-ioctl.h>
#include "clock.h"

#define BUFFER 16384

static union {
	struct dm_ioctl header;
	char bytes[BUFFER];
} request;

static int control;

/* Clears the request for the device of that name. */
static void prepare(const char *name)
{
	struct dm_ioctl *dmi = &request.header;

	memset(&request, 0, sizeof(request));
	dmi->version[0] = DM_VERSION_MAJOR;
	dmi->data_size = sizeof(request);
	dmi->data_start = sizeof(*dmi);
	if (snprintf(dmi->name, sizeof(dmi->name), "%s", name) >= (int)sizeof(dmi->name)) {
		fprintf(stderr, "dmtable: the name %s is too long\n", name);
		exit(2);
	}
}

static int call(unsigned long command, const char *what, const char *name)
{
	if (!ioctl(control, command, &request))
		return 0;
	fprintf(stderr, "dmtable: cannot %s %s: %s\n", what, name, strerror(errno));
	return -1;
}

static int add_target(const char *line, size_t *used)
{
	struct dm_target_spec *spec = (void *)(request.bytes + *used);
	unsigned long long start, length;
	int parameters = 0;
	char *text = (char *)(spec + 1);

	if (sizeof(*spec) + strlen(line) + 8 > sizeof(request) - *used ||
	    sscanf(line, "%llu %llu %15s %n", &start, &length, spec->target_type, &parameters) < 3 ||
	    !parameters) {
		fprintf(stderr, "dmtable: not a table line: %s\n", line);
		return -1;
	}
	spec->sector_start = start;
	spec->length = length;
	strcpy(text, line + parameters);
	/* The next one is found at an offset from this one, and aligned. */
	spec->next = (sizeof(*spec) + strlen(text) + 1 + 7) & ~7UL;
	*used += spec->next;
	request.header.target_count++;
	return 0;
}

static int load(const char *name, unsigned int flags, int lines, char **line)
{
	size_t used = sizeof(struct dm_ioctl);

	prepare(name);
	request.header.flags = flags;
	for (int i = 0; i < lines; i++) {
		if (add_target(line[i], &used))
			return -1;
	}
	return call(DM_TABLE_LOAD, "load the table of", name);
}

/* Without DM_SUSPEND_FLAG it resumes, and a table that was loaded takes effect. */
static int suspend(const char *name, unsigned int flags)
{
	prepare(name);
	request.header.flags = flags;
	return call(DM_DEV_SUSPEND, flags ? "suspend" : "resume", name);
}

static int remove_device(const char *name)
{
	prepare(name);
	return call(DM_DEV_REMOVE, "remove", name);
}

static int create(const char *name, unsigned int flags, int lines, char **line)
{
	prepare(name);
	if (call(DM_DEV_CREATE, "create", name))
		return -1;
	if (load(name, flags, lines, line) || suspend(name, 0)) {
		remove_device(name);
		return -1;
	}
	printf("dmtable device=/dev/dm-%u number=%u:%u\n", minor(request.header.dev),
	       major(request.header.dev), minor(request.header.dev));
	return 0;
}

static int message(const char *name, const char *sector, const char *text)
{
	struct dm_target_msg *body = (void *)(request.bytes + sizeof(struct dm_ioctl));

	prepare(name);
	if (sizeof(*body) + strlen(text) + 1 > sizeof(request) - sizeof(struct dm_ioctl)) {
		fprintf(stderr, "dmtable: the message to %s is too long\n", name);
		return -1;
	}
	body->sector = strtoull(sector, NULL, 0);
	strcpy(body->message, text);
	if (call(DM_TARGET_MSG, "send a message to", name))
		return -1;
	if (request.header.flags & DM_DATA_OUT_FLAG)
		puts(request.bytes + request.header.data_start);
	return 0;
}

static int status(const char *name)
{
	const char *data = request.bytes, *at;

	prepare(name);
	if (call(DM_TABLE_STATUS, "get the status of", name))
		return -1;
	data += request.header.data_start;
	at = data;
	for (unsigned int i = 0; i < request.header.target_count; i++) {
		const struct dm_target_spec *spec = (const void *)at;

		printf("%llu %llu %s %s\n", (unsigned long long)spec->sector_start,
		       (unsigned long long)spec->length, spec->target_type, (const char *)(spec + 1));
		/* Here, unlike in a table that is loaded, from the beginning of the data. */
		at = data + spec->next;
	}
	return 0;
}

static int time_first_event(const char *name, char **line)
{
	uint64_t begin, busy;
	int result;

	prepare(name);
	if (call(DM_DEV_CREATE, "create", name))
		return -1;
	result = load(name, 0, 1, line);
	if (!result) {
		busy = busy_ms();
		begin = clock_ns();
		result = suspend(name, 0);
	}
	if (!result) {
		/* Of the events that there were, none has been seen. */
		prepare(name);
		result = call(DM_DEV_WAIT, "wait for", name);
		begin = clock_ns() - begin;
		busy = busy_ms() - busy;
	}
	if (!result)
		result = status(name);
	if (remove_device(name) || result)
		return -1;
	printf("dmtable ns=%llu busy_ms=%llu\n", (unsigned long long)begin,
	       (unsigned long long)busy);
	return 0;
}

/* 1 for words that are no command, else 0 or -1. */
static int run(int argc, char **argv)
{
	const char *command = argv[1], *name = argv[2];

	if (argc < 3)
		return 1;
	if (argc > 3 && !strcmp(command, "create"))
		return create(name, 0, argc - 3, argv + 3);
	if (argc > 3 && !strcmp(command, "create-read-only"))
		return create(name, DM_READONLY_FLAG, argc - 3, argv + 3);
	if (argc > 3 && !strcmp(command, "load"))
		return load(name, 0, argc - 3, argv + 3);
	if (argc > 3 && !strcmp(command, "reload"))
		return load(name, 0, argc - 3, argv + 3) || suspend(name, DM_SUSPEND_FLAG) ||
		       suspend(name, 0) ? -1 : 0;
	if (argc == 3 && !strcmp(command, "suspend"))
		return suspend(name, DM_SUSPEND_FLAG);
	if (argc == 4 && !strcmp(command, "suspend") && !strcmp(argv[3], "noflush"))
		return suspend(name, DM_SUSPEND_FLAG | DM_NOFLUSH_FLAG);
	if (argc == 3 && !strcmp(command, "resume"))
		return suspend(name, 0);
	if (argc == 5 && !strcmp(command, "message"))
		return message(name, argv[3], argv[4]);
	if (argc == 3 && !strcmp(command, "status"))
		return status(name);
	if (argc == 4 && !strcmp(command, "time"))
		return time_first_event(name, argv + 3);
	if (strcmp(command, "remove"))
		return 1;
	for (int i = 2; i < argc; i++) {
		if (remove_device(argv[i]))
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int result;

	control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control < 0) {
		perror("dmtable: /dev/mapper/control");
		return 2;
	}
	result = run(argc, argv);
	if (result > 0)
		fputs("dmtable: want create, create-read-only, load, suspend, resume, reload, message, status, remove or time, and a NAME\n",
		      stderr);
	return result ? 2 : 0;
}
