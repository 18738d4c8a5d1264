#include "cmd/lease_ask.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/num.h"
#include "egress/control_place.h"

/* One supervisor that is being asked. */
struct asked {
    int fd;
    uint64_t deadline_ms;
};

/* connect(2) waits for room in a busy supervisor's queue, so the time is bounded there too. */
static int ask(const struct control_place *place, uint32_t pid, const struct control_request *request,
               struct asked *ret) {
    const struct sockaddr_un address = control_place_socket(place, (pid_t)pid);
    const struct timeval patience = {.tv_sec = TIMEOUT_CONTROL_ANSWER / 1000};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct ipc_writer w;
    int r;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    w = control_request_encode(request);
    r = ipc_send(fd, &w, -EBADF);
    if (r < 0)
        return r;
    *ret = (struct asked){.fd = fd_steal(&fd), .deadline_ms = clock_now_ms() + TIMEOUT_CONTROL_ANSWER};
    return 0;
}

static int wait_answer(const struct asked *asked, struct control_answer *ret) {
    struct pollfd state = {.fd = asked->fd, .events = POLLIN};
    struct ipc_message m;
    int r;

    while ((r = ipc_receive(asked->fd, &m)) == -EAGAIN) {
        uint64_t now = clock_now_ms();

        if (now >= asked->deadline_ms)
            return -ETIMEDOUT;
        if (poll(&state, 1, (int)(asked->deadline_ms - now)) < 0 && errno != EINTR)
            return -errno;
    }
    if (r == 0)
        return -ECONNRESET;
    return r < 0 ? r : control_answer_decode(&m, ret);
}

void lease_rows_done(struct lease_rows *rows) {
    free(rows->at);
    *rows = (struct lease_rows){0};
}

static int add_row(struct lease_rows *rows, uint32_t pid, const struct lease_info *info) {
    struct lease_row *row;

    if ((rows->n & (rows->n - 1)) == 0) { /* full at each power of two */
        row = reallocarray(rows->at, MAX_OF(2 * rows->n, (size_t)1), sizeof(*row));
        if (!row)
            return -ENOMEM;
        rows->at = row;
    }
    row = &rows->at[rows->n++];
    *row = (struct lease_row){.id = {.pid = pid, .number = info->number}, .info = *info};
    row->info.lease = row->info.identity = SLICE_EMPTY;
    row->lease_n = info->lease.n;
    row->identity_n = info->identity.n;
    memcpy(row->lease, info->lease.p, info->lease.n);
    memcpy(row->identity, info->identity.p, info->identity.n);
    return 0;
}

/* All of one supervisor's leases; on failure none of them. Numbers rise, so a list has an end. */
static int list_one(const struct control_place *place, uint32_t pid, struct lease_rows *rows) {
    struct asked asked = {.fd = -EBADF};
    struct control_answer answer = {0};
    size_t before = rows->n;
    uint32_t last = 0;
    int r = ask(place, pid, &(struct control_request){.type = IPC_LEASE_LIST}, &asked);

    while (r == 0 && (r = wait_answer(&asked, &answer)) == 0 && answer.type == IPC_LEASE) {
        if (answer.info.number <= last || rows->n - before == LIMIT_LISTED)
            r = -EPROTO;
        else
            r = add_row(rows, pid, &answer.info);
        last = answer.info.number;
    }
    if (r == 0 && answer.type != IPC_LEASE_END)
        r = -EPROTO;
    if (r < 0)
        rows->n = before;
    fd_close(&asked.fd);
    return r;
}

/* The process of a name such as "123.sock"; 0 for every other name. */
static uint32_t pid_of_name(const char *name) {
    struct slice text = slice_of_string(name);
    uint64_t pid;

    if (!slice_ends_with(text, SLICE(".sock")) ||
        num_parse(slice_first(text, text.n - strlen(".sock")), INT32_MAX, &pid) < 0)
        return 0;
    return (uint32_t)pid;
}

static void complain(const struct control_place *place, const char *name, int error) {
    const char *why = strerror(-error);

    if (error == -EPROTO)
        why = "it speaks otherwise; ask with the credfd that runs there";
    else if (error == -ETIMEDOUT)
        why = "it does not answer";
    log_warning("lease: %s/%s is left out: %s", place->directory, name, why);
}

static int list_place(const struct control_place *place, struct lease_rows *rows) {
    _cleanup_close_ int fd = open(place->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int r = 0;

    if (!directory)
        return errno == ENOMEM ? -ENOMEM : 0;
    (void)fd_steal(&fd);
    while (r != -ENOMEM && (entry = readdir(directory))) {
        uint32_t pid = pid_of_name(entry->d_name);

        if (pid == 0)
            continue;
        r = list_one(place, pid, rows);
        if (r == -ECONNREFUSED)
            (void)unlinkat(dirfd(directory), entry->d_name, 0); /* its supervisor has died */
        else if (r < 0 && r != -ENOENT)
            complain(place, entry->d_name, r);
    }
    (void)closedir(directory);
    return r == -ENOMEM ? r : 0;
}

static int by_id(const void *a, const void *b) {
    const struct lease_id *x = &((const struct lease_row *)a)->id, *y = &((const struct lease_row *)b)->id;

    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

int lease_ask_all(struct lease_rows *ret) {
    struct control_place places[CONTROL_PLACES];
    struct lease_rows rows = {0};
    size_t n = control_places(places);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = list_place(&places[i], &rows);
    if (r < 0) {
        lease_rows_done(&rows);
        return r;
    }
    if (rows.n > 0)
        qsort(rows.at, rows.n, sizeof(*rows.at), by_id);
    *ret = rows;
    return 0;
}

static int revoke_at(const struct control_place *place, struct lease_id id) {
    struct control_request request = {.type = IPC_LEASE_REVOKE, .number = id.number};
    struct asked asked = {.fd = -EBADF};
    struct control_answer answer = {0};
    int r = ask(place, id.pid, &request, &asked);

    if (r == -ECONNREFUSED)
        return -ENOENT;
    if (r == 0)
        r = wait_answer(&asked, &answer);
    fd_close(&asked.fd);
    if (r < 0)
        return r;
    if (answer.type != IPC_LEASE_REVOKED)
        return -EPROTO;
    return answer.outcome == REVOCATION_DONE ? 0 : answer.outcome == REVOCATION_NO_SUCH_LEASE ? -ENOENT : -EIO;
}

int lease_ask_revoke(struct lease_id id) {
    struct control_place places[CONTROL_PLACES];
    size_t n = control_places(places);
    int r = -ENOENT;

    for (size_t i = 0; r == -ENOENT && i < n; i++)
        r = revoke_at(&places[i], id);
    return r;
}
