// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmtable - set up and remove device mapper devices in a guest.
 *
 * dmsetup does the same and more, but takes some 0.3 s to start in an emulated
 * guest, and makes its links in /dev only with the help of udev.
 *
 *	dmtable create NAME "START LENGTH TARGET PARAMETERS"...
 *	dmtable remove NAME...
 *
 * "create" prints "dmtable device=/dev/dm-N number=MAJOR:MINOR". Sectors are of
 * 512 bytes.
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

static int create(const char *name, int lines, char **line)
{
	size_t used = sizeof(struct dm_ioctl);

	prepare(name);
	if (call(DM_DEV_CREATE, "create", name))
		return 2;
	prepare(name);
	for (int i = 0; i < lines; i++) {
		if (add_target(line[i], &used))
			goto undo;
	}
	if (call(DM_TABLE_LOAD, "load the table of", name))
		goto undo;
	/* Without DM_SUSPEND_FLAG it resumes, and the table takes effect. */
	prepare(name);
	if (call(DM_DEV_SUSPEND, "resume", name))
		goto undo;
	printf("dmtable device=/dev/dm-%u number=%u:%u\n", minor(request.header.dev),
	       major(request.header.dev), minor(request.header.dev));
	return 0;
undo:
	prepare(name);
	call(DM_DEV_REMOVE, "remove", name);
	return 2;
}

int main(int argc, char **argv)
{
	control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control < 0) {
		perror("dmtable: /dev/mapper/control");
		return 2;
	}
	if (argc > 3 && !strcmp(argv[1], "create"))
		return create(argv[2], argc - 3, argv + 3);
	if (argc > 2 && !strcmp(argv[1], "remove")) {
		for (int i = 2; i < argc; i++) {
			prepare(argv[i]);
			if (call(DM_DEV_REMOVE, "remove", argv[i]))
				return 2;
		}
		return 0;
	}
	fprintf(stderr, "dmtable: want create NAME TABLE-LINE..., or remove NAME...\n");
	return 2;
}
