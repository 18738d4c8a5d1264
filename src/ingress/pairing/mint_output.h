/*
 * What a mint command has printed, until it ends or is too much, and the one-time credential in it. All of it stands in
 * one piece of memory that is locked, kept out of cores and wiped when it is freed; so is what jansson makes of it.
 * Called by the pairing alone.
 */
#pragma once

#include "base/limits.h"
#include "base/slice.h"

struct mint_output;

/* Once for the process, before anything of JSON: whatever jansson frees is wiped, and its hashes get a random seed. */
void mint_json_init(void);

struct mint_output *mint_output_new(void);         /* NULL without memory */
void mint_output_free(struct mint_output *output); /* NULL is fine */

/* Takes what is there to read. 0 at the end, -EAGAIN, -EMSGSIZE (more than LIMIT_COMMAND_OUTPUT) or -errno. */
int mint_output_read(struct mint_output *output, int fd);

/*
 * `*ret` is the `credential` of the one JSON object that was printed, valid until mint_output_free. 0, or -EINVAL when
 * there is no such object, or anything but blanks around it.
 */
int mint_output_parse(struct mint_output *output, struct slice *ret);

/* The same of bytes from elsewhere: for tests and fuzzers. `*ret_n` bytes of `to`. */
int mint_credential_parse(struct slice bytes, char to[static LIMIT_SECRET], size_t *ret_n);
