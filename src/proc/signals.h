/*
 * Signals of a process that is about to become another program.
 */
#pragma once

/* It does not inherit what credfd blocks, handles or ignores. Between fork(2) and execve(2). */
void signals_restore(void);
