/*
 * A profile in words, for `credfd profile show`: what the key is bound to and how it is put in, what its rules let
 * through, what the command gets, which hosts pass beside it, and how to start. Reads no secret.
 */
#pragma once

/* On standard output. 0, or -errno after a complaint in the log. */
int profile_explain(const char *name);
