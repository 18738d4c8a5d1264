/*
 * The `dispatch` of a configuration, for `credfd check`: whether all that it names is there and in order. Opens no
 * socket and starts nothing.
 */
#pragma once

/* Prints a line about it, and says on standard error what is wrong. The exit status. */
int check_dispatch(const char *path);
