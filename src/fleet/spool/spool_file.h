/*
 * The files of the spool by their names: a task's id in which every byte but letters, digits, `-` and `_` is %XX, and
 * an ending. So no id makes a name with a dot or a slash in it, and none begins with a dot. Used by both sides of the
 * spool.
 */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "base/slice.h"

enum spool_ending {
    SPOOL_FILE_NEW,
    SPOOL_FILE_BEGUN,
    SPOOL_FILE_RESULT,
    SPOOL_FILE_SENT,
    SPOOL_FILE_DAMAGED,
    SPOOL_ENDINGS
};

/* Room for a name with its NUL; a file system takes 255 bytes. */
#define SPOOL_NAME (3 * LIMIT_TASK_ID + sizeof(".damaged"))
_Static_assert(SPOOL_NAME <= 256, "every task has a file's name");

/* `task_id` has LIMIT_TASK_ID bytes at most. */
void spool_file_name(char to[static SPOOL_NAME], struct slice task_id, enum spool_ending ending);

/* The id of a name, decoded into `task_id`, as it would be written; false for a name that is none of the spool's. */
bool spool_file_parse(const char *name, char task_id[static LIMIT_TASK_ID], struct slice *ret_task_id,
                      enum spool_ending *ret_ending);

/*
 * A regular file of it, to be read; nothing else is opened, and no link followed. -ENOENT, or -errno for what is in its
 * place.
 */
int spool_file_open(int directory, struct slice task_id, enum spool_ending ending);

/* Gone, or it never was: 0; or -errno. */
int spool_file_remove(int directory, struct slice task_id, enum spool_ending ending);
int spool_file_rename(int directory, struct slice task_id, enum spool_ending from, enum spool_ending to);

/* Whether a process that lives holds it (spool_write_begun). */
bool spool_file_is_held(int directory, struct slice task_id, enum spool_ending ending);
