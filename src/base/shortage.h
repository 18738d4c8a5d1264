/*
 * What a limit of the system has refused, in words: which limit it is, what it stands at, and how it is raised. For
 * whoever asked for something that therefore cannot be had. Pure but for getrlimit.
 */
#pragma once

#define SHORTAGE_TEXT 256

/* Each is a line without its end, for a person, in `text`; returns that. */
const char *shortage_of_descriptors(char text[static SHORTAGE_TEXT]);
const char *shortage_of_locked_memory(char text[static SHORTAGE_TEXT]);
const char *shortage_of_processes(char text[static SHORTAGE_TEXT]);

/* Of what -errno of starting something says: a limit's words, or the system's own. */
const char *shortage_explain(int error, char text[static SHORTAGE_TEXT]);
