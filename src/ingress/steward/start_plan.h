/*
 * How an instance is started and stopped: by which unit of systemd, by the commands, or not at all. Pure. A unit's name
 * is the administrator's, with {os_user} in it; what comes out is checked to be a unit's name and nothing more.
 */
#pragma once

#include "ingress/steward/steward_codec.h"
#include "ingress/table/table.h"

#define UNIT_NAME_MAX 255 /* systemd.unit(5) */

enum start_way { START_NOT, START_UNIT, START_COMMAND };

struct start_plan {
    enum start_way way;
    bool may_stop; /* and it can be started again */
    char unit[UNIT_NAME_MAX + 1];
};

/* START_NOT too for a name that is none. */
struct start_plan start_plan_of(const struct steward_rules *rules, const struct instance *instance);
