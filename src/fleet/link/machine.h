/*
 * What the hub is told of this machine: `environment` of a heartbeat. What stands in files is read once, before the
 * sandbox closes. Used by the link.
 */
#pragma once

#include "fleet/json_write.h"
#include "fleet/link/link_codec.h"

struct machine {
    char os_version[64]; /* VERSION_ID of os-release(5), or the kernel's */
    char arch[64];       /* amd64, arm64: as Go names them */
    char hostname[256];
    char timezone[64]; /* Asia/Shanghai */
    uint64_t processors, memory_mb;
};

/* What cannot be known stays empty. */
void machine_read(struct machine *ret);

/* The object; `unix_s` is now. */
void machine_write(const struct machine *machine, const struct link_settings *settings, int64_t unix_s,
                   struct json_write *to);

/* The value of `name` in lines of NAME=VALUE or `NAME="VALUE"`; empty when it is not there. */
struct slice machine_find_value(struct slice lines, struct slice name);
