/* The configuration was read again, while leases by the one before it live. */
#include <stdlib.h>

#include "base/log.h"
#include "base/macros.h"
#include "egress/credential.h"
#include "egress/desk/broker_state.h"
#include "egress/desk/door_files.h"
#include "egress/desk/ways.h"

static struct grant *grant_of(struct holder *holder, const struct possession *possession) {
    return holder_grant(holder, possession->number);
}

static void end_leases_of(const struct possession *possession) {
    for (struct holder *holder = possession->broker->holders; holder; holder = holder->next)
        if (grant_of(holder, possession))
            holder_revoke(holder, grant_of(holder, possession), REFUSAL_REMOVED, refusal_text(REFUSAL_REMOVED)->reason);
}

static void change_rules(struct possession *possession, const struct credential *to) {
    possession->credential = to;
    custody_send_definition(possession);
    for (struct holder *holder = possession->broker->holders; holder; holder = holder->next) {
        const struct grant *grant = grant_of(holder, possession);

        if (!grant)
            continue;
        holder_tell_life(holder, grant);
        if (holder->doors)
            door_files_warn(holder->doors, to);
    }
}

/* One of the credentials in use, as the configuration has it now: `to`, or NULL when it is gone. */
static void change_credential(struct possession *possession, const struct credential *to) {
    if (!to) {
        log_warning("credential %s: no longer in the configuration: its leases end", possession->credential->name);
        end_leases_of(possession);
        return;
    }
    if (!credential_is_same_place(possession->credential, to)) {
        log_error("credential %s: its upstream, or how it is put in, has changed: living leases go on as they were; "
                  "start the command again to use the new one",
                  to->name);
        return;
    }
    if (!credential_is_same(possession->credential, to))
        change_rules(possession, to);
    possession->credential = to;
    if (!possession->leader)
        feed_change(possession->feed, &to->secret);
}

void broker_reload(struct broker *broker, const struct settings *settings) {
    _cleanup_free_ char *error = NULL;

    if (audit_reopen(broker->audit, &settings->audit, &error) < 0)
        log_error("%s", error ? error : "out of memory");
    broker->settings = settings;
    ways_reload(broker);
    for (size_t i = 0; i < broker->n_configured; i++)
        change_credential(broker->configured[i],
                          settings_credential(settings, broker->configured[i]->credential->name));
}

bool broker_uses(const struct broker *broker, const struct settings *settings) {
    if (broker->settings == settings)
        return true;
    for (size_t i = 0; i < broker->n_configured; i++)
        for (size_t j = 0; j < settings->n_credentials; j++)
            if (broker->configured[i]->credential == &settings->credentials[j])
                return true;
    return false;
}
