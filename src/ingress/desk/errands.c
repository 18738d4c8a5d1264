#include "ingress/desk/errands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "proc/command_words.h"

struct errand {
    struct errand *next;
    struct errands *errands;
    enum errand_kind kind;
    uint32_t number;
    struct command command;
    struct timer deadline;
    struct command_words words;
    char *title;  /* "PROGRAM for OS_USER" */
    bool is_told; /* or there is nobody to be told */
};

static void tell(struct errand *errand, enum command_end end) {
    struct errands *errands = errand->errands;

    if (errand->is_told)
        return;
    errand->is_told = true;
    errands->ended(errands->owner, errand->kind, errand->number, end, errand->command.wait_status);
}

static void forget(struct errand *errand) {
    struct errand **at = &errand->errands->first;

    while (*at != errand)
        at = &(*at)->next;
    *at = errand->next;
    errand->errands->n--;
    timer_cancel(&errand->deadline);
    command_words_done(&errand->words);
    free(errand->title);
    free(errand);
}

/* One that ends without a word leaves its status, at least. */
static void log_end(const struct errand *errand) {
    const struct command *command = &errand->command;

    if (command->exec_error < 0)
        log_error("%s cannot be executed: %s", errand->title, strerror(-command->exec_error));
    else if (WIFSIGNALED(command->wait_status) && !errand->is_told)
        log_warning("%s was ended by signal %d", errand->title, WTERMSIG(command->wait_status));
    else if (WIFEXITED(command->wait_status) && WEXITSTATUS(command->wait_status) != 0)
        log_warning("%s ended with %d", errand->title, WEXITSTATUS(command->wait_status));
}

static void exited(struct command *command) {
    struct errand *errand = container_of(command, struct errand, command);
    struct errands *errands = errand->errands;

    command_words_tell(&errand->words, command->wait_status == 0 ? LOG_INFO : LOG_WARNING, errand->title);
    log_end(errand);
    tell(errand, command->exec_error < 0 ? COMMAND_NOT_STARTED : COMMAND_EXITED);
    forget(errand);
    if (!errands->first)
        errands->quiet(errands->owner);
}

/* It may have become another user, by sudo, and be out of reach: who waits is told at once, not when it is reaped. */
static void too_late(struct timer *timer) {
    struct errand *errand = container_of(timer, struct errand, deadline);

    log_error("%s did not end in time and is killed", errand->title);
    command_words_tell(&errand->words, LOG_WARNING, errand->title);
    command_kill(&errand->command);
    tell(errand, COMMAND_TIMED_OUT);
}

static struct slice value_of(struct slice word, const struct instance *instance, const char *recipe) {
    if (slice_equals(word, SLICE("os_user")))
        return instance->os_user;
    if (slice_equals(word, SLICE("name")))
        return instance->name;
    return slice_of_string(recipe); /* the settings let no other word pass */
}

/* The caller's; NULL without memory. */
static char *fill_in(const char *template, const struct instance *instance, const char *recipe) {
    struct slice rest = slice_of_string(template);
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    while (rest.p) {
        struct slice before = slice_cut(&rest, '{');

        (void)fwrite(before.p, 1, before.n, out);
        if (rest.p) {
            struct slice value = value_of(slice_cut(&rest, '}'), instance, recipe);

            (void)fwrite(value.p, 1, value.n, out);
        }
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

void errand_argv_free(char **argv) {
    for (char **word = argv; word && *word; word++)
        free(*word);
    free(argv);
}

char **errand_argv(char *const *argv, const struct instance *instance, const char *recipe) {
    size_t n = 0;
    char **filled;

    while (argv[n])
        n++;
    filled = calloc(n + 1, sizeof(*filled));
    for (size_t i = 0; filled && i < n; i++) {
        filled[i] = fill_in(argv[i], instance, recipe);
        if (!filled[i]) {
            errand_argv_free(filled);
            return NULL;
        }
    }
    return filled;
}

static struct errand *find(const struct errands *errands, enum errand_kind kind, uint32_t number) {
    for (struct errand *errand = errands->first; errand; errand = errand->next)
        if (errand->kind == kind && errand->number == number && !errand->is_told)
            return errand;
    return NULL;
}

static struct errand *new_errand(struct errands *errands, enum errand_kind kind, uint32_t number) {
    struct errand *errand = calloc(1, sizeof(*errand));

    if (!errand)
        return NULL;
    errand->next = errands->first;
    errand->errands = errands;
    errand->kind = kind;
    errand->number = number;
    errand->words.fd = -EBADF;
    errand->deadline.on_expiry = too_late;
    errands->first = errand;
    errands->n++;
    return errand;
}

static int run(struct errand *errand, const struct command_settings *settings, const struct instance *instance,
               const char *recipe, int *ret_output) {
    char **argv = errand_argv(settings->argv, instance, recipe);
    int words = -EBADF, r = -ENOMEM;

    if (asprintf(&errand->title, "%s for %.*s", settings->argv[0], SLICE_ARG(instance->os_user)) < 0)
        errand->title = NULL;
    if (argv && errand->title)
        r = command_start(&errand->command, argv, exited, errand->kind == ERRAND_MINT ? ret_output : NULL, &words);
    errand_argv_free(argv);
    if (r < 0)
        return r;
    timer_set(&errand->deadline, settings->timeout_ms);
    if (command_words_init(&errand->words, words) < 0)
        log_warning("what %s says is not heard", errand->title);
    return 0;
}

int errand_start(struct errands *errands, enum errand_kind kind, uint32_t number,
                 const struct command_settings *settings, const struct instance *instance, const char *recipe,
                 int *ret_output) {
    struct errand *errand;
    int r;

    if (!settings->argv)
        return -ENOENT;
    if (find(errands, kind, number))
        return -EEXIST;
    if (errands->n >= LIMIT_COMMANDS)
        return -E2BIG;
    errand = new_errand(errands, kind, number);
    if (!errand)
        return -ENOMEM;
    r = run(errand, settings, instance, recipe, ret_output);
    if (r < 0)
        forget(errand);
    return r;
}

static void drop(struct errand *errand) {
    errand->is_told = true;
    if (errand->kind == ERRAND_MINT) /* an instance that is half started goes on starting */
        command_kill(&errand->command);
}

void errand_kill(struct errands *errands, enum errand_kind kind, uint32_t number) {
    struct errand *errand = find(errands, kind, number);

    if (errand)
        command_kill(&errand->command);
}

void errands_drop_kind(struct errands *errands, enum errand_kind kind) {
    for (struct errand *errand = errands->first; errand; errand = errand->next)
        if (errand->kind == kind)
            drop(errand);
}

void errands_stop(struct errands *errands) {
    for (struct errand *errand = errands->first; errand; errand = errand->next) {
        errand->is_told = true;
        command_kill(&errand->command);
    }
}
