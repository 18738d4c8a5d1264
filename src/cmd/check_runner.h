/* The runner's part of `credfd check`. */
#pragma once

/* Prints its line, and what is wrong with it. The exit status. */
int check_runner(const char *path);
