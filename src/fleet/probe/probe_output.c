#include "fleet/probe/probe_output.h"

#include <jansson.h>

#include "base/limits.h"

const char *probe_output_judge(struct slice output) {
    const char *why_not = NULL;
    json_t *json;

    if (output.n == 0)
        return "prints nothing";
    if (output.n > LIMIT_PROBE_OUTPUT)
        return PROBE_TOO_MUCH;
    /* without a seed it opens /dev/urandom, and a role may open nothing; 64 KiB hold no flood of collisions */
    json_object_seed(1);
    json = json_loadb(output.p, output.n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json))
        why_not = "prints no object of JSON";
    else if (!json_is_true(json_object_get(json, "broker_egress")))
        why_not = "does not say \"broker_egress\": true";
    json_decref(json);
    return why_not;
}
