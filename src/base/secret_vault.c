#include "base/secret_vault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "base/secret_own.h"

#define GUARD ((size_t)64 * 1024) /* a page, however large those are */
#define REGION ((size_t)16 * 1024)
#define SLOT ((size_t)64)
#define SLOTS (REGION / SLOT)

struct secret_region {
    struct secret_region *next;
    char *memory; /* between two guards */
    uint32_t number;
    size_t n_used;
    bool is_used[SLOTS];
};

static struct {
    struct secret_region *regions; /* the one that was made last is first: the others are full, or nearly */
    uint32_t next;                 /* number */
    void (*tell)(uint32_t region, int fd);
} vault;

void secret_vault_tell(void (*tell)(uint32_t region, int fd)) {
    vault.tell = tell;
}

static void tell(uint32_t number, int fd) {
    if (vault.tell)
        vault.tell(number, fd);
}

static size_t slots_of(size_t n) {
    return (n + SLOT - 1) / SLOT;
}

/* memfd_secret's memory is locked and in no core by itself. */
static int map_region(int fd, char **ret) {
    char *around = mmap(NULL, REGION + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *memory = around != MAP_FAILED ? around + GUARD : MAP_FAILED;
    int r = 0;

    if (around == MAP_FAILED)
        return -errno;
    if (mmap(memory, REGION, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
        r = -errno;
    if (r < 0) {
        (void)munmap(around, REGION + 2 * GUARD);
        return r;
    }
    (void)madvise(memory, REGION, MADV_DONTDUMP);
    (void)madvise(memory, REGION, MADV_DONTFORK);
    *ret = memory;
    return 0;
}

/* Its number is taken, even on failure: whoever keeps the descriptor may know it by that. */
static int add_region(uint32_t number, int fd, struct secret_region **ret) {
    struct secret_region *region = calloc(1, sizeof(*region));
    int r = region ? map_region(fd, &region->memory) : -ENOMEM;

    vault.next = MAX_OF(vault.next, number + 1);
    if (r < 0) {
        free(region);
        return r;
    }
    region->number = number;
    region->next = vault.regions;
    vault.regions = region;
    *ret = region;
    return 0;
}

static int make_region(struct secret_region **ret) {
    _cleanup_close_ int fd = secret_memory_open(REGION);
    int r = fd < 0 ? fd : add_region(vault.next, fd, ret);

    if (r == 0)
        tell((*ret)->number, fd);
    return r;
}

static void drop_region(struct secret_region *region) {
    for (struct secret_region **at = &vault.regions; *at; at = &(*at)->next)
        if (*at == region) {
            *at = region->next;
            break;
        }
    (void)munmap(region->memory - GUARD, REGION + 2 * GUARD);
    tell(region->number, -EBADF);
    free(region);
}

/* Where `n` slots in a row are free; SLOTS when there are not so many. */
static size_t find_slots(const struct secret_region *region, size_t n) {
    for (size_t slot = 0, run = 0; slot < SLOTS; slot++) {
        run = region->is_used[slot] ? 0 : run + 1;
        if (run == n)
            return slot + 1 - n;
    }
    return SLOTS;
}

static void mark(struct secret_region *region, size_t slot, size_t n, bool is_used) {
    for (size_t i = 0; i < n; i++)
        region->is_used[slot + i] = is_used;
    region->n_used = is_used ? region->n_used + n : region->n_used - n;
}

/* Only here it can be written. */
static int write_slots(struct secret_region *region, size_t slot, size_t n_slots, struct slice bytes) {
    char *to = region->memory + slot * SLOT;

    if (mprotect(region->memory, REGION, PROT_READ | PROT_WRITE) < 0)
        return -errno;
    explicit_bzero(to, n_slots * SLOT);
    if (bytes.n > 0)
        memcpy(to, bytes.p, bytes.n);
    return mprotect(region->memory, REGION, PROT_READ) < 0 ? -errno : 0;
}

/* Looked for where room is likely: behind the first few regions there is none but what single secrets have left. */
static int find_room(size_t n_slots, struct secret_region **ret, size_t *ret_slot) {
    int r = 0;

    for (struct secret_region *region = vault.regions; region; region = region->next) {
        if (SLOTS - region->n_used < n_slots)
            continue;
        *ret_slot = find_slots(region, n_slots);
        if (*ret_slot < SLOTS) {
            *ret = region;
            return 0;
        }
    }
    r = make_region(ret);
    *ret_slot = 0;
    return r;
}

static int take_slots(struct secret_region *region, size_t slot, size_t n, struct secret **ret) {
    struct secret *s = malloc(sizeof(*s));

    if (!s)
        return -ENOMEM;
    *s = (struct secret){.memory = region->memory + slot * SLOT, .n = n, .region = region};
    mark(region, slot, slots_of(n), true);
    *ret = s;
    return 0;
}

static int put_in(struct slice bytes, struct secret **ret) {
    struct secret_region *region = NULL;
    struct secret *s = NULL;
    size_t slot;
    int r = find_room(slots_of(bytes.n), &region, &slot);

    if (r < 0)
        return r;
    r = take_slots(region, slot, bytes.n, &s);
    if (r < 0 && region->n_used == 0)
        drop_region(region);
    if (r == 0)
        r = write_slots(region, slot, slots_of(bytes.n), bytes);
    if (r < 0)
        secret_free(s); /* wiped, if it was written */
    else
        *ret = s;
    return r;
}

int secret_gather(int fd, struct secret **ret) {
    struct secret *alone;
    int r = secret_open(fd, &alone);

    if (r < 0)
        return r;
    r = alone->n > REGION / 4 ? -ENOSYS : put_in(secret_view(alone), ret);
    if (r == -ENOSYS) { /* few are so long; or the kernel has no such memory: it stays where it is */
        *ret = alone;
        return 0;
    }
    secret_free(alone);
    return r;
}

struct secret_place secret_place(const struct secret *s) {
    if (!s->region)
        return (struct secret_place){0};
    return (struct secret_place){.region = s->region->number,
                                 .slot = (uint16_t)((size_t)(s->memory - s->region->memory) / SLOT),
                                 .n = (uint16_t)s->n};
}

void secret_vault_leave(struct secret *s) {
    struct secret_region *region = s->region;
    size_t slot = secret_place(s).slot;

    (void)write_slots(region, slot, slots_of(s->n), SLICE_EMPTY);
    mark(region, slot, slots_of(s->n), false);
    if (region->n_used == 0)
        drop_region(region);
}

static struct secret_region *find_region(uint32_t number) {
    for (struct secret_region *region = vault.regions; region; region = region->next)
        if (region->number == number)
            return region;
    return NULL;
}

int secret_vault_adopt(uint32_t number, int fd) {
    _cleanup_close_ int owned = fd;
    struct secret_region *region;
    struct stat st;

    if (fstat(owned, &st) < 0)
        return -errno;
    if (st.st_size != (off_t)REGION || number == UINT32_MAX || find_region(number))
        return -EINVAL;
    return add_region(number, owned, &region);
}

int secret_claim(struct secret_place place, struct secret **ret) {
    struct secret_region *region = find_region(place.region);
    size_t n_slots = slots_of(place.n);

    if (!region || place.n == 0 || place.slot + n_slots > SLOTS)
        return -EINVAL;
    for (size_t i = 0; i < n_slots; i++)
        if (region->is_used[place.slot + i])
            return -EINVAL;
    return take_slots(region, place.slot, place.n, ret);
}

void secret_vault_settle(void) {
    struct secret_region *next;

    for (struct secret_region *region = vault.regions; region; region = next) {
        next = region->next;
        for (size_t slot = 0; slot < SLOTS; slot++)
            if (!region->is_used[slot])
                (void)write_slots(region, slot, 1, SLICE_EMPTY);
        if (region->n_used == 0)
            drop_region(region);
    }
}
