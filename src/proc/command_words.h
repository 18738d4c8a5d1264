/*
 * What a command says on its standard error, where the command may be a stranger's: it gets a pipe in the place of our
 * log, so that it can neither flood the log, nor forge its lines, nor cut its file off. A bounded beginning is kept, and
 * told in the log when there is an end to tell it with: so many lines, each with what ran before it, cut, and escaped
 * by the log. The rest is read and thrown away, so that nothing blocks. Never what a command prints on standard output,
 * which may be a credential. For a supervisor that runs commands for others.
 */
#pragma once

#include "base/limits.h"
#include "base/log.h"
#include "net/loop.h"

struct command_words {
    struct watch heard;
    int fd; /* -EBADF when nothing more can come */
    bool is_told;
    bool has_more; /* than is kept */
    size_t n;
    char kept[LIMIT_SAID];
};

/* From then on it listens; `fd`, a pipe that is not blocked, is its own. 0 or -errno. */
int command_words_init(struct command_words *words, int fd);

/* Puts what was said until now into the log: once, however often it is called. `who` is "PROGRAM for PERSON". */
void command_words_tell(struct command_words *words, enum log_level level, const char *who);

/* Harmless for one that never began, with -EBADF as its `fd`. */
void command_words_done(struct command_words *words);
