/*
 * systemd, over D-Bus: starts and stops units, and tells when the job has ended and how. Connects when it is first
 * needed, and again when it was lost. Says nothing to anybody but systemd's manager, and believes nobody else.
 */
#pragma once

struct bus_job;

enum bus_verb { BUS_START, BUS_STOP };

/*
 * `fault` is NULL when the job has done what it should; else it says which unit has not and, as far as that is known,
 * what is to be looked at. In `detail` is what systemd itself has said, or NULL. Both are valid during the call.
 */
typedef void bus_done(void *owner, const char *fault, const char *detail);

/* Where the bus is, as D-Bus writes it; empty: the system's. Another one than before ends the connection and its jobs. */
void bus_set_address(const char *address);
const char *bus_address(void);

/*
 * `done` is called later, from the loop, exactly once unless bus_forget comes first. 0 or -errno: -EHOSTDOWN while the
 * bus cannot be reached.
 */
int bus_begin(enum bus_verb verb, const char *unit, bus_done *done, void *owner, struct bus_job **ret);

/* `done` will not be called; what systemd does is not ended by it. NULL is fine. */
void bus_forget(struct bus_job *job);
