/*
 * What suggest.c has noted and suggest_write.c writes.
 */
#pragma once

#include <stdbool.h>

#include "base/name_index.h"
#include "egress/rules/suggest.h"

enum suggestion {                   /* in the order in which they are written */
                  SUGGESTION_RULE,  /* `method` and `path` */
                  SUGGESTION_WIDER, /* likewise: the narrowest, and yet it matches more than what was asked for */
                  SUGGESTION_REMARK, /* no rule helps: `words` say why, and then comes what stands in `method` and `path` */
                  SUGGESTION_HOST, /* host and port, in `path` */
};

struct suggest_item {
    struct name_place place;
    enum suggestion kind;
    bool is_way;        /* of the gate, and no lease's */
    const char *words;  /* constant; "" for a rule */
    struct slice lease; /* it and the next look into `key` */
    struct slice method, path;
    uint64_t n;      /* requests; 0 for a path that only a server may make of another one */
    bool has_passed; /* one of them was not refused by the upstream */
    unsigned status; /* of one that was */
    char key[];
};

struct suggest {
    struct name_index index;
    struct suggest_item **items;
    size_t n_items, n_room;
    uint64_t n_lost; /* requests for which there was no room */
};
