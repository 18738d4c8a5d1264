/*
 * What systemd is told, and what it tells: sd_notify(3), sd_watchdog_enabled(3). Written here, because libsystemd and
 * the five libraries behind it cost every start of the program a millisecond, more than all else together; the
 * protocol is one datagram of text to a unix socket (sd_notify(3), "Notes"). Used by supervisors of services.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/*
 * Takes $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the environment, so that no command of ours speaks in
 * our name. Without them all that follows does nothing.
 */
void notify_init(void);

/* Lines of NAME=VALUE. Best effort: nobody waits for the service manager. */
void notify_send(const char *state);

/* How often it must hear that we live, in ms; 0: it does not ask. */
uint64_t notify_watchdog_ms(void);

/* In a child that becomes a successor: gives it the environment that notify_init took. 0 or -errno. */
int notify_bequeath(pid_t successor);
