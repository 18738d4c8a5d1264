#include "cmd/control_ask.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"

/* connect(2) waits for room in a busy supervisor's queue, so the time is bounded there too. */
int control_ask(const struct control_place *place, uint32_t pid, const struct control_request *request,
                struct control_asked *ret) {
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
    *ret = (struct control_asked){.fd = fd_steal(&fd), .deadline_ms = clock_now_ms() + TIMEOUT_CONTROL_ANSWER};
    return 0;
}

int control_wait(const struct control_asked *asked, struct control_answer *ret) {
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

/* The process of a name such as "123.sock"; 0 for every other name. */
static uint32_t pid_of_name(const char *name) {
    struct slice text = slice_of_string(name);
    uint64_t pid;

    if (!slice_ends_with(text, SLICE(".sock")) ||
        num_parse(slice_first(text, text.n - strlen(".sock")), INT32_MAX, &pid) < 0)
        return 0;
    return (uint32_t)pid;
}

static void complain(const char *command, const struct control_place *place, const char *name, int error) {
    const char *why = strerror(-error);

    if (error == -EPROTO)
        why = "it speaks otherwise; ask with the credfd that runs there";
    else if (error == -ETIMEDOUT)
        why = "it does not answer";
    log_warning("%s: %s/%s is left out: %s", command, place->directory, name, why);
}

/* What is to be asked of each, and for whom. */
struct question {
    const char *command;
    int (*ask)(void *owner, const struct control_place *place, uint32_t pid);
    void *owner;
};

static int ask_place(const struct control_place *place, const struct question *question) {
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
        r = question->ask(question->owner, place, pid);
        if (r == -ECONNREFUSED)
            (void)unlinkat(dirfd(directory), entry->d_name, 0); /* its supervisor has died */
        else if (r < 0 && r != -ENOENT)
            complain(question->command, place, entry->d_name, r);
    }
    (void)closedir(directory);
    return r == -ENOMEM ? r : 0;
}

int control_ask_each(const char *command, int (*ask)(void *owner, const struct control_place *place, uint32_t pid),
                     void *owner) {
    const struct question question = {.command = command, .ask = ask, .owner = owner};
    struct control_place places[CONTROL_PLACES];
    size_t n = control_places(places);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = ask_place(&places[i], &question);
    return r;
}
