/* SPDX-License-Identifier: GPL-2.0-only */
/* What a device is and can do, and small files of sysfs, debugfs and configfs. */
#ifndef DEVICE_H
#define DEVICE_H

#include <endian.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/blkpg.h>
#include <linux/nvme_ioctl.h>
#include "tool.h"

/* partition add|resize DEVICE NUMBER START BYTES, partition remove DEVICE NUMBER */
static void cmd_partition(int argc, char **argv)
{
	struct blkpg_partition part = { 0 };
	struct blkpg_ioctl_arg arg = { .datalen = sizeof(part), .data = &part };

	if (argc == 5 && (!strcmp(argv[0], "add") || !strcmp(argv[0], "resize"))) {
		arg.op = *argv[0] == 'a' ? BLKPG_ADD_PARTITION : BLKPG_RESIZE_PARTITION;
		part.start = number(argv[3]);
		part.length = number(argv[4]);
	} else if (argc == 3 && !strcmp(argv[0], "remove")) {
		arg.op = BLKPG_DEL_PARTITION;
	} else {
		die("partition: want add or resize DEVICE NUMBER START BYTES, or remove DEVICE NUMBER");
	}
	part.pno = number(argv[2]);
	if (ioctl(open_or_die(argv[1], O_RDONLY), BLKPG, &arg))
		die("cannot %s partition %d of %s", argv[0], part.pno, argv[1]);
}

static int nvme_admin(int fd, int opcode, int cdw10, void *data, int bytes)
{
	struct nvme_admin_cmd cmd = {
		.opcode = opcode,
		.cdw10 = cdw10,
		.addr = (uintptr_t)data,
		.data_len = bytes,
	};
	int status = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd);

	if (status < 0)
		die("cannot send an admin command");
	return status;
}

/*
 * scan CONTROLLER: has the driver look at a controller's namespaces, and waits for that, and for a look that is under
 * way. A command that may change the inventory makes it do so when it has ended, whatever came of it
 * (nvme_passthru_end()), and Namespace Attachment is one, of which no namespace 0 comes nothing.
 */
static void cmd_scan(int argc, char **argv)
{
	const char *name = argc == 1 ? strrchr(argv[0], '/') : NULL;
	char path[64];
	int fd;

	errno = 0;
	if (!name)
		die("scan: want a CONTROLLER's directory in sysfs");
	snprintf(path, sizeof(path), "/dev%s", name);
	fd = open_or_die(path, O_RDWR);
	printf("scan began=%llu\n", (unsigned long long)clock_ns());
	/* NVM Express Base Specification 2.0, Status Code 0Bh: Invalid Namespace or Format. */
	errno = 0;
	if ((nvme_admin(fd, 0x15, 0, NULL, 0) & 0x7ff) != 0x0b)
		die("%s does not know Namespace Attachment", path);
	close(fd);
}

/* One that is being reset takes no other reset: waits for the end of that. */
static void reset_controller(const char *controller)
{
	uint64_t deadline = clock_ns() + 15000000000ull;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/reset_controller", controller);
	fd = open_or_die(path, O_WRONLY);
	while (write(fd, "1", 1) < 0) {
		if (errno != EBUSY || clock_ns() > deadline)
			die("cannot reset %s", controller);
		nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
	}
	close(fd);
}

/* reset CONTROLLER...: directories in sysfs; all at once, and waits until all work again. */
static void cmd_reset(int argc, char **argv)
{
	int status, go[2], failed = 0;
	char none;

	if (pipe2(go, O_CLOEXEC))
		die("cannot make a pipe");
	fflush(stdout);
	for (int i = 0; i < argc; i++) {
		pid_t child = fork();
		uint64_t began;

		if (child < 0)
			die("cannot fork");
		if (child)
			continue;
		/* Until the last one is there, too. */
		close(go[1]);
		if (read(go[0], &none, 1))
			die("cannot wait");
		began = clock_ns();
		reset_controller(argv[i]);
		printf("reset began=%llu ended=%llu\n", (unsigned long long)began,
		       (unsigned long long)clock_ns());
		fflush(stdout);
		_exit(0);
	}
	close(go[0]);
	close(go[1]);
	while (wait(&status) > 0)
		failed |= status;
	errno = 0;
	if (failed)
		die("a controller was not reset");
}

static unsigned int le16(const unsigned char *at)
{
	return at[0] | at[1] << 8;
}

/*
 * What the controller of a namespace says of copies. NVM Express Base
 * Specification 2.0: Identify Controller has ONCS at byte 520; NVM Command Set:
 * OCFS at 534. Host Behavior Support is feature 16h, CDFE at byte 4 of it.
 */
static void cmd_identify(int argc, char **argv)
{
	static unsigned char id[4096], behaviour[512];
	int fd;

	if (argc != 1)
		die("identify: want DEVICE");
	fd = open_or_die(argv[0], O_RDONLY);
	if (nvme_admin(fd, 0x06, 1, id, sizeof(id))) {
		errno = 0;
		die("%s: Identify Controller failed", argv[0]);
	}
	printf("identify oncs=%u ocfs=%u", le16(id + 520), le16(id + 534));
	if (!nvme_admin(fd, 0x0a, 0x16, behaviour, sizeof(behaviour)))
		printf(" cdfe=%u", le16(behaviour + 4));
	putchar('\n');
}

/*
 * passthrough DEVICE USER FORMAT NSID SLBA SDLBA: a Copy command of one block, which root has opened the device for and
 * a user sends. NVM Command Set Specification 1.0: source range entries of 32 bytes have the NSID at byte 0 (format 2) and
 * the LBA at byte 8, the command has the format in bits 11:8 of dword 12.
 */
static void cmd_passthrough(int argc, char **argv)
{
	unsigned char range[32] = { 0 };
	struct nvme_passthru_cmd cmd = {
		.opcode = 0x19,
		.addr = (uintptr_t)range,
		.data_len = sizeof(range),
	};
	uint32_t source;
	uint64_t lba;
	int fd, status;
	pid_t child;

	if (argc != 6)
		die("passthrough: want DEVICE USER FORMAT NSID SLBA SDLBA");
	fd = open_or_die(argv[0], O_RDWR);
	cmd.nsid = ioctl(fd, NVME_IOCTL_ID);
	source = htole32(number(argv[3]));
	lba = htole64(number(argv[4]));
	memcpy(range, &source, sizeof(source));
	memcpy(range + 8, &lba, sizeof(lba));
	cmd.cdw10 = number(argv[5]);
	cmd.cdw12 = number(argv[2]) << 8;

	fflush(stdout);
	child = fork();
	if (child < 0)
		die("cannot fork");
	if (!child) {
		if (setresuid(number(argv[1]), number(argv[1]), number(argv[1])))
			die("cannot become user %s", argv[1]);
		status = ioctl(fd, NVME_IOCTL_IO_CMD, &cmd);
		printf("passthrough error=%s status=%d\n", status < 0 ? strerrorname_np(errno) : "0",
		       status < 0 ? 0 : status);
		fflush(stdout);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status)
		die("the process that sends the command has failed");
}

static void cmd_get(int argc, char **argv)
{
	for (; argc; argc--, argv++)
		pour(open_or_die(*argv, O_RDONLY), *argv);
}

static void cmd_set(int argc, char **argv)
{
	if (argc != 2)
		die("set: want FILE VALUE");
	write_file(argv[0], argv[1]);
}

/* Like set, and no error when there is no such file. */
static void cmd_set_if_there(int argc, char **argv)
{
	if (argc != 2)
		die("set-if-there: want FILE VALUE");
	if (access(argv[0], F_OK)) {
		printf("missing file=%s\n", argv[0]);
		return;
	}
	write_file(argv[0], argv[1]);
}

/* clock: the time at which what comes next begins, as `began` and `ended` of other commands. */
static void cmd_clock(int argc, char **argv)
{
	(void)argv;
	if (argc)
		die("clock: wants nothing");
	printf("clock began=%llu\n", (unsigned long long)clock_ns());
	fflush(stdout);
}

static void cmd_mkdir(int argc, char **argv)
{
	for (; argc; argc--, argv++) {
		if (mkdir(*argv, 0755))
			die("cannot make %s", *argv);
	}
}

/* link TARGET PATH, which in configfs makes a target port of a backing store */
static void cmd_link(int argc, char **argv)
{
	errno = 0;
	if (argc != 2)
		die("link: want TARGET PATH");
	if (symlink(argv[0], argv[1]))
		die("cannot link %s to %s", argv[1], argv[0]);
}

static void cmd_unlink(int argc, char **argv)
{
	for (; argc; argc--, argv++) {
		if (unlink(*argv))
			die("cannot remove %s", *argv);
	}
}

static void cmd_rmdir(int argc, char **argv)
{
	for (; argc; argc--, argv++) {
		if (rmdir(*argv))
			die("cannot remove %s", *argv);
	}
}

#endif
