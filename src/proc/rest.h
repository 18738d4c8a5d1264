/*
 * A role that waits gives back what it took while it worked: memory that was freed, the buffers of messages, the part
 * of its stack that it has come back from. The next work takes it again, page by page. It happens on the loop, never in
 * the midst of work: once after a role's start, and whenever something of its own is over (rest_soon).
 */
#pragma once

/* In REST_AFTER; of several calls the first counts. */
void rest_soon(void);
