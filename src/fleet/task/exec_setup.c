#include "fleet/task/exec_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "fleet/sealed.h"

/* The most that one argument may have, its NUL included: MAX_ARG_STRLEN of linux/binfmts.h, 32 pages. */
#define ARGUMENT_MAX (128 * 1024)

/* What holds a command with its environment: each variable has a name, `=` and a NUL beside what an order holds. */
#define REQUEST_MAX (2 * (size_t)LIMIT_FRAME)

/* execve(2) takes what it leaves alone as `char *`. */
static char *taken(const char *text) {
    union {
        const char *given;
        char *taken;
    } pointer = {.given = text};

    return pointer.taken;
}

static char **strings_of(struct slice bytes, size_t n) {
    char **list = calloc(n + 1, sizeof(*list));

    if (!list)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        list[i] = taken(bytes.p);
        bytes = slice_from(bytes, slice_index(bytes, '\0') + 1);
    }
    return list;
}

/*
 * The text is evaluated as `bash -c` would. What differs: newlines at its end are dropped, BASH_EXECUTION_STRING is not
 * the text, and the number of the descriptor stays closed to it.
 */
static int put_aside(struct exec_setup *setup) {
    int number = setup->lease >= 0 ? EXEC_FIRST_FD + 1 : EXEC_FIRST_FD;
    struct slice command = setup->request.command;
    int r;

    setup->script = memfd_create("credfd-command", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (setup->script < 0)
        return -errno;
    r = fd_write_all(setup->script, command.p, command.n);
    if (r < 0)
        return r;
    if (fcntl(setup->script, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    (void)snprintf(setup->evaluation, sizeof(setup->evaluation), "eval \"$(</dev/fd/%d)\" %d<&-", number, number);
    return 0;
}

static int make_words(struct exec_setup *setup) {
    int r = setup->request.command.n < ARGUMENT_MAX ? 0 : put_aside(setup);

    if (r < 0)
        return r;
    setup->argv = calloc(4, sizeof(*setup->argv));
    setup->environment = strings_of(setup->request.environment, setup->request.n_environment);
    if (!setup->argv || !setup->environment)
        return -ENOMEM;
    setup->argv[0] = taken("bash");
    setup->argv[1] = taken("-c");
    setup->argv[2] = setup->script >= 0 ? setup->evaluation : taken(setup->request.command.p);
    return 0;
}

static int make_pipes(struct exec_setup *setup) {
    for (unsigned i = 0; i < TASK_STREAMS; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
            return -errno;
        setup->readers[i] = ends[0];
        setup->outputs[i] = ends[1];
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    }
    return 0;
}

int exec_setup_make(struct exec_setup *setup, int request, int lease, const char *workspace, const char **ret_what) {
    _cleanup_close_ int memory = request;
    int r;

    *setup = (struct exec_setup){.bytes = SLICE_EMPTY,
                                 .script = -EBADF,
                                 .workspace = -EBADF,
                                 .lease = lease,
                                 .outputs = {-EBADF, -EBADF},
                                 .readers = {-EBADF, -EBADF}};
    *ret_what = "the request";
    r = sealed_map(memory, REQUEST_MAX, &setup->bytes);
    if (r == 0)
        r = exec_request_parse(setup->bytes, &setup->request);
    if (r == 0)
        r = make_words(setup);
    if (r < 0)
        return r;
    *ret_what = "pipes";
    r = make_pipes(setup);
    if (r < 0)
        return r;
    *ret_what = "the workspace";
    setup->workspace = open(workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return setup->workspace < 0 ? -errno : 0;
}

void exec_setup_done(struct exec_setup *setup) {
    for (unsigned i = 0; i < TASK_STREAMS; i++) {
        fd_close(&setup->outputs[i]);
        fd_close(&setup->readers[i]);
    }
    fd_close(&setup->lease);
    fd_close(&setup->script);
    fd_close(&setup->workspace);
    free(setup->argv);
    free(setup->environment);
    setup->argv = setup->environment = NULL;
    sealed_unmap(&setup->bytes);
}
