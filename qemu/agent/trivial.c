// SPDX-License-Identifier: GPL-2.0
/*
 * The least that a first process can do: it says that it is up and switches the
 * machine off. What a boot to the agent takes is compared with a boot to this.
 */
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
	static const char up[] = "copylab: trivial init is up\n";

	if (write(1, up, sizeof(up) - 1) < 0)
		return 1;
	reboot(RB_POWER_OFF);
	return 1;
}
