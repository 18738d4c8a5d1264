/*
 * A kind of instance: how a person gets a session there, how one tells that a session has died, and what else is done
 * for it. Read from instances/NAME.yaml by the supervisor (pairing/recipe_file.h), told to the roles by
 * pairing/recipe_codec.h. Strings are the recipe's own; recipe_done frees them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

enum recipe_body { RECIPE_NO_BODY, RECIPE_JSON, RECIPE_FORM };

/* One request of the exchange of a minted credential for a session: tried in order while the one before says 404. */
struct recipe_exchange {
    char *method; /* GET or POST */
    char *path;   /* "{credential}" in it is replaced, escaped for a query */
    enum recipe_body body;
    char *template; /* of the body: "{credential}" is replaced, escaped as JSON or as a form asks */
};

struct recipe {
    uint8_t number;
    char *name;
    bool pairs; /* else requests go through without a session of the instance's own */

    /* which cookie is the session's: a name the instance tells, or patterns of wire/glob.h */
    char *cookie_field; /* of the JSON at session_path, dotted, as "auth.sessionCookieName"; or NULL */
    char *cookies[LIMIT_RECIPE_COOKIES];
    size_t n_cookies;

    /* whether a session lives: GET session_path with the browser's cookies */
    char *session_path;  /* NULL: it is not asked, a cookie of that name counts */
    char *session_field; /* of the JSON there: false is dead, true lives, else nobody knows; NULL: by status */
    uint16_t dead[LIMIT_RECIPE_STATUSES]; /* statuses that say dead, where there is no field; 2xx lives */
    size_t n_dead;

    struct recipe_exchange exchanges[LIMIT_RECIPE_EXCHANGES];
    size_t n_exchanges;
    uint16_t accepted[LIMIT_RECIPE_STATUSES]; /* of an exchange that has worked, with a Set-Cookie */
    size_t n_accepted;

    char *identity_header; /* in which the instance is told the person's name; or NULL */
    char *health_path;     /* NULL: that it accepts a connection must do */
    char *websocket_path;  /* where `dispatch check` opens one; NULL: nowhere. No role is told */

    /* installing as an app: docs in credfd-instances(5); all NULL: nothing is added */
    char *app_head;     /* HTML put behind <head> of a document */
    char *app_manifest; /* JSON served at app_manifest_path */
    char *app_manifest_path;
};

void recipe_done(struct recipe *recipe);
