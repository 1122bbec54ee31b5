// SPDX-License-Identifier: GPL-2.0
/*
 * copylab's guest agent: the first process of a test VM.
 *
 * It mounts the kernel's file systems, opens the virtio-serial port named
 * "copylab.agent" and runs commands for the host until the machine stops.
 *
 * The protocol is a stream of frames in both directions. A frame is a header of
 * three little-endian 32-bit words (type, id, length of the payload in bytes)
 * and at most MAX_PAYLOAD bytes of payload. The id names a command; the host
 * chooses it and may use it again after FRAME_EXIT.
 *
 *   host to guest
 *     'R' run:     le32 flags (1 = on a terminal), le16 rows, le16 columns,
 *                  then the NUL-terminated strings of argv
 *     'I' input:   bytes for standard input
 *     'E' end:     end of standard input (a pipe only; a terminal has ^D)
 *     'K' kill:    le32 signal for the command's process group
 *     'W' window:  le16 rows, le16 columns
 *     'P' ping
 *   guest to host
 *     'H' hello:   le32 protocol version, then the kernel release; sent once
 *     'o' output, 'e' error: bytes from the command (a terminal has 'o' only)
 *     'a' accept:  le32 number of input bytes that have been consumed
 *     'x' exit:    le32 exit status, 128 + signal as in sh; 127 not found, 126
 *                  not executable. The command's own output comes before it;
 *                  what children that outlive it print later is dropped.
 *     'p' pong
 *
 * Memory is bounded: the host has at most WINDOW input bytes of a command that
 * are not accepted yet and at most MAX_COMMANDS commands at a time, and output
 * is read from a command only when the transmit buffer has room for it. A host
 * that breaks this is a bug and ends the agent, which panics the kernel.
 *
 * The same binary has two commands of its own:
 *   /init --read PATTERN...  prints each file that matches: path, NUL, le32
 *                            length, contents (up to READ_MAX bytes)
 *   /init --poweroff         syncs and switches the machine off
 *   /init --serve FD         speaks the protocol on an open descriptor and sets
 *                            up nothing, so that it can be tested on the host
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PORT_NAME	"copylab.agent"
#define VERSION		1
#define HEADER		12
#define MAX_PAYLOAD	65536
#define MAX_COMMANDS	64
#define MAX_ARGS	1024
#define WINDOW		65536
#define CHUNK		32768	/* virtio_console takes no more in one write() */
#define TX_SIZE		(4 * CHUNK)
#define READ_MAX	4096
#define RUN_TTY		1

struct command {
	int used, tty, exited;
	uint32_t id, status, accepted;
	pid_t pid;
	int in, out, err;	/* -1 when closed */
	int in_end;
	size_t in_head, in_len;
	char *in_buf;		/* a ring of WINDOW bytes, allocated once */
};

static struct command commands[MAX_COMMANDS];
static int port, pongs;
static char rx[HEADER + MAX_PAYLOAD];
static size_t rx_len;
static char tx[TX_SIZE];
static size_t tx_head, tx_len;

static void die(const char *what)
{
	fprintf(stderr, "copylab agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put32(char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, 4);
}

static uint32_t get32(const char *at)
{
	uint32_t value;

	memcpy(&value, at, 4);
	return le32toh(value);
}

static uint16_t get16(const char *at)
{
	uint16_t value;

	memcpy(&value, at, 2);
	return le16toh(value);
}

/* --- transmit ------------------------------------------------------------ */

static size_t tx_room(void)
{
	return TX_SIZE - tx_len;
}

/* Space for a frame of @length bytes; the caller has looked at tx_room(). */
static char *tx_frame(char type, uint32_t id, uint32_t length)
{
	char *at;

	if (tx_head + tx_len + HEADER + length > TX_SIZE) {
		memmove(tx, tx + tx_head, tx_len);
		tx_head = 0;
	}
	at = tx + tx_head + tx_len;
	put32(at, type);
	put32(at + 4, id);
	put32(at + 8, length);
	tx_len += HEADER + length;
	return at + HEADER;
}

static void tx_flush(void)
{
	while (tx_len) {
		ssize_t n = write(port, tx + tx_head, tx_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			die("write to the host");
		if (n <= 0)
			return;
		tx_head += n;
		tx_len -= n;
	}
	tx_head = 0;
}

static void tx_hello(void)
{
	struct utsname name;
	char *at;

	uname(&name);
	at = tx_frame('H', 0, 4 + strlen(name.release));
	put32(at, VERSION);
	memcpy(at + 4, name.release, strlen(name.release));
}

/* --- commands ------------------------------------------------------------ */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct command *find_command(uint32_t id)
{
	for (int i = 0; i < MAX_COMMANDS; i++)
		if (commands[i].used && commands[i].id == id)
			return &commands[i];
	return NULL;
}

static void open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC))
		die("pipe");
}

static void set_window(int fd, const char *size)
{
	struct winsize window = {
		.ws_row = get16(size),
		.ws_col = get16(size + 2),
	};

	ioctl(fd, TIOCSWINSZ, &window);
}

static void __attribute__((noreturn))
run_child(char **argv, int in, int out, int err, int tty)
{
	sigset_t none;
	int error;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (tty)
		ioctl(in, TIOCSCTTY, 0);
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	execvp(argv[0], argv);
	error = errno;
	fprintf(stderr, "%s: %s\n", argv[0], strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

static void start_command(uint32_t id, char *payload, size_t length)
{
	int in[2], out[2], err[2], tty;
	struct command *c = NULL;
	char *argv[MAX_ARGS + 1];
	int argc = 0;

	if (length < 9 || payload[length - 1] || find_command(id)) {
		errno = EPROTO;
		die("run");
	}
	for (size_t at = 8; at < length; at += strlen(payload + at) + 1) {
		if (argc == MAX_ARGS) {
			errno = E2BIG;
			die("run");
		}
		argv[argc++] = payload + at;
	}
	argv[argc] = NULL;

	for (int i = 0; i < MAX_COMMANDS && !c; i++)
		if (!commands[i].used)
			c = &commands[i];
	if (c && !c->in_buf)
		c->in_buf = malloc(WINDOW);
	if (!c || !c->in_buf) {
		errno = ENOMEM;
		die("run");
	}

	tty = get32(payload) & RUN_TTY;
	if (tty) {
		int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		int slave;

		if (master < 0 || grantpt(master) || unlockpt(master))
			die("pseudo terminal");
		slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (slave < 0)
			die("pseudo terminal");
		set_window(master, payload + 4);
		in[0] = out[1] = err[1] = slave;
		in[1] = master;
		out[0] = fcntl(master, F_DUPFD_CLOEXEC, 0);
		err[0] = -1;
	} else {
		open_pipe(in);
		open_pipe(out);
		open_pipe(err);
	}

	c->pid = fork();
	if (c->pid < 0)
		die("fork");
	if (!c->pid)
		run_child(argv, in[0], out[1], err[1], tty);

	close(in[0]);
	if (!tty) {
		close(out[1]);
		close(err[1]);
	}
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	if (err[0] >= 0)
		fcntl(err[0], F_SETFL, O_NONBLOCK);
	c->id = id;
	c->tty = tty;
	c->in = in[1];
	c->out = out[0];
	c->err = err[0];
	c->exited = c->in_end = 0;
	c->accepted = c->in_head = c->in_len = 0;
	c->used = 1;
}

static void reap(void)
{
	int status;
	pid_t pid;

	/* Orphans of commands come here too and need nothing but this wait. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < MAX_COMMANDS; i++) {
			struct command *c = &commands[i];

			if (!c->used || c->exited || c->pid != pid)
				continue;
			c->exited = 1;
			c->status = WIFSIGNALED(status) ?
				128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
	}
}

/* Move buffered input into the command; a command that stopped reading loses it. */
static void feed(struct command *c)
{
	while (c->in_len) {
		size_t n = WINDOW - c->in_head;
		ssize_t done;

		if (n > c->in_len)
			n = c->in_len;
		done = c->in < 0 ? (ssize_t)n : write(c->in, c->in_buf + c->in_head, n);
		if (done < 0 && errno == EAGAIN)
			break;
		if (done < 0) {
			close_fd(&c->in);
			continue;
		}
		c->in_head = (c->in_head + done) % WINDOW;
		c->in_len -= done;
		c->accepted += done;
	}
	if (c->in_end && !c->in_len && !c->tty)
		close_fd(&c->in);
}

/* Read from the command while there is room to send it on. */
static void drain(struct command *c, int *fd, char type)
{
	static char chunk[CHUNK];

	while (*fd >= 0 && tx_room() >= HEADER + CHUNK) {
		ssize_t n = read(*fd, chunk, CHUNK);

		if (n > 0) {
			memcpy(tx_frame(type, c->id, n), chunk, n);
			tx_flush();
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		/*
		 * A terminal without a process on it reads as EIO. A pipe that is
		 * empty after the command has ended is held open by a process that
		 * outlives it; all that the command itself wrote has been read.
		 */
		if (n == 0 || errno != EAGAIN || c->exited)
			close_fd(fd);
		return;
	}
}

static void serve(struct command *c)
{
	feed(c);
	drain(c, &c->out, 'o');
	drain(c, &c->err, 'e');
	if (c->accepted && tx_room() >= HEADER + 4) {
		put32(tx_frame('a', c->id, 4), c->accepted);
		c->accepted = 0;
	}
	if (c->exited && c->out < 0 && c->err < 0 && tx_room() >= HEADER + 4) {
		put32(tx_frame('x', c->id, 4), c->status);
		close_fd(&c->in);
		c->used = 0;
	}
}

/* --- receive ------------------------------------------------------------- */

static void handle(char type, uint32_t id, char *payload, size_t length)
{
	struct command *c = find_command(id);

	if (type == 'R') {
		start_command(id, payload, length);
		return;
	}
	if (type == 'P') {
		pongs++;
		return;
	}
	if (!c)		/* it has ended while the frame was on its way */
		return;
	switch (type) {
	case 'I':
		if (length > WINDOW - c->in_len) {
			errno = EPROTO;
			die("input");
		}
		for (size_t done = 0; done < length;) {
			size_t at = (c->in_head + c->in_len) % WINDOW;
			size_t n = WINDOW - at;

			if (n > length - done)
				n = length - done;
			memcpy(c->in_buf + at, payload + done, n);
			c->in_len += n;
			done += n;
		}
		break;
	case 'E':
		c->in_end = 1;
		break;
	case 'K':
		/* Until the child has called setsid() there is no such group, only it. */
		if (length == 4 && !c->exited && kill(-c->pid, get32(payload)))
			kill(c->pid, get32(payload));
		break;
	case 'W':
		if (length == 4 && c->tty && c->out >= 0)
			set_window(c->out, payload);
		break;
	default:
		errno = EPROTO;
		die("frame");
	}
}

static void receive(void)
{
	ssize_t n = read(port, rx + rx_len, sizeof(rx) - rx_len);
	size_t at = 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("read from the host");
	if (n <= 0)
		return;
	rx_len += n;
	while (rx_len - at >= HEADER) {
		uint32_t length = get32(rx + at + 8);

		if (length > MAX_PAYLOAD) {
			errno = EPROTO;
			die("frame length");
		}
		if (rx_len - at < HEADER + length)
			break;
		handle(get32(rx + at), get32(rx + at + 4), rx + at + HEADER, length);
		at += HEADER + length;
	}
	memmove(rx, rx + at, rx_len - at);
	rx_len -= at;
}

/* --- start --------------------------------------------------------------- */

static void mount_one(const char *type, const char *where)
{
	/* What this kernel does not have is not there: no error. */
	mkdir(where, 0755);
	mount(type, where, type, 0, NULL);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			perror(path);
		close(fd);
	}
}

/* The port is found by its name; it may appear after us. */
static int open_port(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (;;) {
		DIR *dir = opendir("/sys/class/virtio-ports");
		struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			char path[300], name[64] = "";
			int fd;

			snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name",
				 entry->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
			if (read(fd, name, sizeof(name) - 1) < 0)
				name[0] = 0;
			close(fd);
			name[strcspn(name, "\n")] = 0;
			if (strcmp(name, PORT_NAME))
				continue;
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
			if (fd >= 0) {
				closedir(dir);
				return fd;
			}
		}
		if (dir)
			closedir(dir);
		nanosleep(&pause, NULL);
	}
}

static int read_files(char **patterns)
{
	static char contents[READ_MAX];

	for (; *patterns; patterns++) {
		glob_t found;

		if (glob(*patterns, 0, NULL, &found))
			continue;
		for (size_t i = 0; i < found.gl_pathc; i++) {
			const char *path = found.gl_pathv[i];
			int fd = open(path, O_RDONLY);
			ssize_t n = fd < 0 ? -1 : read(fd, contents, READ_MAX);
			char length[4];

			if (fd >= 0)
				close(fd);
			if (n < 0)
				continue;
			put32(length, n);
			fwrite(path, 1, strlen(path) + 1, stdout);
			fwrite(length, 1, 4, stdout);
			fwrite(contents, 1, n, stdout);
		}
		globfree(&found);
	}
	return fflush(stdout) ? 1 : 0;
}

static void loop(int signals)
{
	static struct pollfd fds[2 + 3 * MAX_COMMANDS];
	unsigned int first = 0;

	for (;;) {
		int n = 0, room = tx_room() >= HEADER + CHUNK;

		fds[n++] = (struct pollfd){ port, POLLIN | (tx_len ? POLLOUT : 0), 0 };
		fds[n++] = (struct pollfd){ signals, POLLIN, 0 };
		for (int i = 0; i < MAX_COMMANDS; i++) {
			struct command *c = &commands[i];

			if (!c->used)
				continue;
			if (c->in_len && c->in >= 0)
				fds[n++] = (struct pollfd){ c->in, POLLOUT, 0 };
			if (room && c->out >= 0)
				fds[n++] = (struct pollfd){ c->out, POLLIN, 0 };
			if (room && c->err >= 0)
				fds[n++] = (struct pollfd){ c->err, POLLIN, 0 };
		}
		if (poll(fds, n, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents & POLLHUP) {
			errno = EPIPE;
			die("host");
		}
		if (fds[1].revents) {
			struct signalfd_siginfo info;

			while (read(signals, &info, sizeof(info)) > 0)
				;
			reap();
		}
		if (fds[0].revents & POLLIN)
			receive();
		for (; pongs && tx_room() >= HEADER; pongs--)
			tx_frame('p', 0, 0);
		/* Begin with another one each time, or the first would have all the room. */
		first++;
		for (unsigned int i = 0; i < MAX_COMMANDS; i++) {
			struct command *c = &commands[(first + i) % MAX_COMMANDS];

			if (c->used)
				serve(c);
		}
		tx_flush();
	}
}

static void set_up(void)
{
	mount_one("devtmpfs", "/dev");
	mount_one("proc", "/proc");
	mount_one("sysfs", "/sys");
	/* `quiet` keeps the boot short; from here on the console is to have it all. */
	write_file("/proc/sys/kernel/printk", "7");
	mount_one("tmpfs", "/tmp");
	mount_one("tmpfs", "/run");
	mount_one("devpts", "/dev/pts");
	mount_one("tracefs", "/sys/kernel/tracing");
	mount_one("debugfs", "/sys/kernel/debug");
	mount_one("configfs", "/sys/kernel/config");
	mount_one("cgroup2", "/sys/fs/cgroup");
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
}

int main(int argc, char **argv)
{
	sigset_t child;
	int signals;

	if (argc > 2 && !strcmp(argv[1], "--read"))
		return read_files(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "--poweroff")) {
		sync();
		reboot(RB_POWER_OFF);
		return 1;
	}

	umask(022);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signals = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals < 0)
		die("signalfd");

	if (argc == 3 && !strcmp(argv[1], "--serve")) {
		port = atoi(argv[2]);
		fcntl(port, F_SETFL, O_NONBLOCK);
		fcntl(port, F_SETFD, FD_CLOEXEC);
	} else {
		set_up();
		port = open_port();
	}
	tx_hello();
	tx_flush();
	loop(signals);
	return 0;
}
