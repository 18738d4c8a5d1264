/*
 * Whether there is a session at the instance, and how there comes to be one: what the contract says of cookies, dead
 * cookies and pairing. Asks the pairer only where a person opens a document, or where nobody knows yet how an instance
 * calls its cookie. Part of the visit's way.
 */
#pragma once

#include "ingress/visit/visit_way.h"

/* The instance is known: forwards, pairs, or refuses. */
void way_session(struct visit *v);

/* The instance has been reached, and there is no session that lives. */
void way_pair(struct visit *v);
