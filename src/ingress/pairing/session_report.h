/*
 * What an instance says about a session, read from its answer at the recipe's session_path: whether it lives, and what
 * its cookie is called. Pure. Only a definite word counts; whatever is not understood is not known.
 */
#pragma once

#include "base/slice.h"
#include "ingress/pairing/recipe.h"

enum session_verdict { VERDICT_UNKNOWN, VERDICT_LIVES, VERDICT_DIED };

struct session_report {
    enum session_verdict verdict;
    char cookie_name[LIMIT_COOKIE_NAME + 1]; /* empty when it was not told, or cannot be one */
};

void session_report_read(const struct recipe *recipe, unsigned status, struct slice body, struct session_report *ret);
