/*
 * The relay: the one process that reads a workload's bytes. It holds no secret, opens nothing, connects to nothing; it
 * has the doors that the supervisor gave it, and for each stream a client's socket and a pair to the keeper. Started by
 * the supervisor, one for each workload; when its channel ends, so does it.
 */
#include "base/macros.h"
#include "egress/door/house.h"
#include "proc/role.h"

static const struct ipc_permit permits[] = {HOUSE_PERMITS};

int main(void) {
    static const struct role relay = {.name = "credfd-relay",
                                      .seccomp = SECCOMP_RELAY,
                                      .permits = permits,
                                      .n_permits = ARRAY_LEN(permits),
                                      .phase = 1};

    return role_main(&relay);
}
