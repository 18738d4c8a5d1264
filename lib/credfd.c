#include <credfd.h>

#include <errno.h>
#include <string.h>

#include "channel.h"
#include "environment.h"

#define ERRNO_MAX 4095 /* the kernel gives no higher */

int credfd_lease(const char *name) {
    struct credfd_entry entry;
    int r = credfd_environment_find(name, &entry);

    if (r < 0)
        return r;
    r = credfd_channel_check(entry.number);
    return r < 0 ? r : entry.number;
}

int credfd_lease_at(unsigned index, char name[CREDFD_NAME_MAX + 1]) {
    struct credfd_entry entry;
    int r = credfd_environment_at(index, &entry);

    if (r < 0)
        return r;
    memcpy(name, entry.name, entry.name_length);
    name[entry.name_length] = '\0';
    return entry.number;
}

int credfd_connect_fd(int channel) {
    int r = credfd_channel_check(channel);

    return r < 0 ? r : credfd_channel_dial(channel);
}

int credfd_connect(const char *name) {
    int channel = credfd_lease(name);

    return channel < 0 ? channel : credfd_channel_dial(channel);
}

const char *credfd_strerror(int code) {
    const char *text;

    switch (code) {
    case -ENODATA:
        return "no lease here: CREDFD is not set; start the program with credfd run";
    case -ENOENT:
        return "no lease of that name in CREDFD";
    case -ENOTUNIQ:
        return "there are several leases: one must be named";
    case -EINVAL:
        return "CREDFD is malformed: it must be NAME=NUMBER,...";
    case -EBADF:
        return "the lease's descriptor is not open here: a parent process closed it";
    case -ENOTSOCK:
        return "the lease's descriptor is no lease channel: a parent process reused its number";
    case -ECONNREFUSED:
        return "the broker refused a stream";
    case -EPIPE:
        return "the lease has ended: the broker closed its channel";
    case -EPROTO:
        return "the broker's answer is against the protocol";
    case -EMFILE:
        return "too many open descriptors: the stream was lost";
    default:
        text = code < 0 && code >= -ERRNO_MAX ? strerrordesc_np(-code) : NULL;
        return text ? text : "unknown error";
    }
}
