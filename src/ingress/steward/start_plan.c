#include "ingress/steward/start_plan.h"

#include <string.h>

/* What may stand in an account's name (the table has seen to that too), and in systemd's names without an escape. */
static bool is_account(struct slice os_user) {
    for (size_t i = 0; i < os_user.n; i++) {
        char c = os_user.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c == '-' && i > 0)))
            return false;
    }
    return os_user.n > 0 && os_user.n <= LIMIT_OS_USER;
}

/* systemd.unit(5): what a unit's name is made of, and the kinds that can be started for somebody. */
static bool is_unit(struct slice name) {
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i], lower = ascii_lower(c);

        if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr(":-_.\\@", c))))
            return false;
    }
    return name.n > 0 && name.p[0] != '.' && name.p[0] != '@' && name.p[0] != '-' &&
           (slice_ends_with(name, SLICE(".service")) || slice_ends_with(name, SLICE(".socket")) ||
            slice_ends_with(name, SLICE(".target")));
}

static bool append(char *to, size_t *n, struct slice text) {
    if (text.n > UNIT_NAME_MAX - *n)
        return false;
    memcpy(to + *n, text.p, text.n);
    *n += text.n;
    to[*n] = '\0';
    return true;
}

static bool write_unit(struct slice pattern, struct slice os_user, char *to) {
    const struct slice place = SLICE("{os_user}");
    size_t n = 0;

    while (pattern.n > 0) {
        if (slice_starts_with(pattern, place)) {
            if (!is_account(os_user) || !append(to, &n, os_user))
                return false;
            pattern = slice_from(pattern, place.n);
        } else {
            if (!append(to, &n, slice_first(pattern, 1)))
                return false;
            pattern = slice_from(pattern, 1);
        }
    }
    return is_unit(slice_of(to, n));
}

struct start_plan start_plan_of(const struct steward_rules *rules, const struct instance *instance) {
    struct slice pattern = instance->unit.n > 0 ? instance->unit : slice_of_string(rules->unit);
    struct start_plan plan = {.way = START_NOT};

    if (pattern.n > 0) {
        plan.may_stop = write_unit(pattern, instance->os_user, plan.unit);
        plan.way = plan.may_stop ? START_UNIT : START_NOT;
    } else if (rules->has_start) {
        plan.way = START_COMMAND;
        plan.may_stop = rules->has_stop;
    }
    return plan;
}
