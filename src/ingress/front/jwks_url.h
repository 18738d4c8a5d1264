/*
 * Where keys are published: an https URL, or http where it means this machine. Pure. The settings check it, the
 * verifier goes there.
 */
#pragma once

#include "wire/uri.h"

struct jwks_url {
    struct uri_upstream server;
    struct slice target; /* path and query as written; "/" when there is none */
};

/* NULL when it is one, and `*ret` looks into `url`; else, in plain words, what is wrong. */
const char *jwks_url_parse(struct slice url, struct jwks_url *ret);
