/*
 * What is told of those whom the doorman does not let in: lines in the log, of which nobody can make too many, and to
 * the supervisor, how many there were whose certificate is in order and of another name. Called by the doorman.
 */
#pragma once

#include "net/address.h"

struct x509_st;

/* Once, before anybody is refused. */
void doorman_refusals_init(void);

/* Whoever knocks and fails: an information. */
void doorman_refused(const struct address *address, const char *reason);

/*
 * The CA vouches for it, and nobody has let it in: a front that is set up wrongly, or one that is not ours. A warning,
 * with the name that it has.
 */
void doorman_refused_name(const struct address *address, const struct x509_st *certificate);
