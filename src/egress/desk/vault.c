/*
 * The keys of loans, of which there may be thousands: a descriptor for each would be too many. The keeper has them in
 * regions of its own making (base/secret_vault.h) and tells where. This process keeps a descriptor of each region, which
 * it never maps; the next keeper gets the regions and the places. Until the keeper has told, a key's own descriptor
 * stays.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/shortage.h"
#include "egress/desk/broker_state.h"

struct vault_region {
    uint32_t number;
    int fd;
};

static void region_free(struct broker *broker, struct vault_region *region) {
    number_table_remove(&broker->regions, region->number);
    fd_close(&region->fd);
    free(region);
}

static int add_region(struct broker *broker, uint32_t number, int fd) {
    struct vault_region *region = broker->regions.n < LIMIT_REGIONS ? malloc(sizeof(*region)) : NULL;
    int r = -ENOMEM;

    if (region) {
        *region = (struct vault_region){.number = number, .fd = fd};
        r = number_table_put(&broker->regions, number, region);
    }
    if (r < 0) {
        free(region);
        fd_close(&fd);
    }
    return r;
}

/* One that is made, or gone: of those, some may never have found room here. */
int vault_take(struct broker *broker, struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_has_fd(m) ? ipc_get_fd(m) : -EBADF;
    struct vault_region *region = number_table_find(&broker->regions, number);
    bool is_lost = m->is_fd_lost;

    if (ipc_end(m) < 0 || (region && (fd >= 0 || is_lost)))
        return -EPROTO;
    if (region)
        region_free(broker, region);
    else if (is_lost || (fd >= 0 && add_region(broker, number, fd_steal(&fd)) < 0))
        log_warning("no room for a descriptor of the keeper's keys: should it die, leases of these end");
    return 0;
}

/* It is told once for each; what is told of a secret that was renewed meanwhile, or is no loan's, changes nothing. */
static void keep(struct possession *possession, struct secret_place place) {
    possession->is_kept = true;
    if (possession->lent && place.n > 0 && number_table_find(&possession->broker->regions, place.region)) {
        possession->place = place;
        fd_close(&possession->sealed);
    }
    if (possession->borrower)
        holder_go_on(possession->borrower);
}

static void tell_fault(const struct possession *possession, int error) {
    char text[SHORTAGE_TEXT];
    const char *fault = error == EAGAIN ? shortage_of_locked_memory(text) : shortage_explain(-error, text);

    log_error("credential %s: the keeper cannot hold its key: %s", possession->credential->name, fault);
    if (possession->borrower)
        holder_fail(possession->borrower, slice_of_string(fault));
}

int vault_take_kept(struct broker *broker, struct ipc_message *m) {
    struct possession *possession = number_table_find(&broker->possessions, ipc_get_u32(m));
    struct secret_place place = {.region = ipc_get_u32(m)};
    uint32_t error;

    place.slot = ipc_get_u16(m);
    place.n = ipc_get_u16(m);
    error = ipc_get_u32(m);
    if (ipc_end(m) < 0 || error > INT_MAX)
        return -EPROTO;
    if (possession && error == 0)
        keep(possession, place);
    else if (possession)
        tell_fault(possession, (int)error);
    return 0;
}

static int send_region(struct broker *broker, const struct vault_region *region) {
    struct ipc_writer w = ipc_begin(IPC_VAULT);

    ipc_put_u32(&w, region ? region->number : 0);
    return channel_send(&broker->keeper.child.channel, &w, region ? region->fd : -EBADF);
}

int vault_send_place(const struct possession *possession, uint64_t left_ms) {
    struct ipc_writer w = ipc_begin(IPC_SECRET_PLACE);

    ipc_put_u32(&w, possession->number);
    ipc_put_u64(&w, left_ms);
    ipc_put_u32(&w, possession->place.region);
    ipc_put_u16(&w, possession->place.slot);
    ipc_put_u16(&w, possession->place.n);
    return channel_send(&possession->broker->keeper.child.channel, &w, -EBADF);
}

int vault_send_regions(struct broker *broker) {
    const struct vault_region *region;
    size_t at = 0;
    int r = 0;

    while (r == 0 && (region = number_table_each(&broker->regions, &at)) != NULL)
        r = send_region(broker, region);
    return r;
}

int vault_send_end(struct broker *broker) {
    return send_region(broker, NULL);
}

void vault_done(struct broker *broker) {
    struct vault_region *region;
    size_t at = 0;

    while ((region = number_table_each(&broker->regions, &at)) != NULL) {
        fd_close(&region->fd);
        free(region);
    }
    number_table_done(&broker->regions);
}
