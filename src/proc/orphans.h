/*
 * Processes that a command of ours has left behind: with this they stay our descendants, wherever their parents went, so
 * that they can be told from strangers (prctl(2), PR_SET_CHILD_SUBREAPER). When they end they are reaped here. For
 * supervisors; knows nothing of what the processes are.
 */
#pragma once

/* From now on. 0 or -errno. */
int orphans_adopt(void);

/*
 * A child may have ended: for whoever reads SIGCHLD. Those that somebody here waits for are left to him: he is woken by
 * the same end, so what is still there on a later turn of the loop is nobody's but ours.
 */
void orphans_look(void);
