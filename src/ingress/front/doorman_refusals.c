#include "ingress/front/doorman_refusals.h"

#include <errno.h>

#include "base/limits.h"
#include "base/log.h"
#include "ingress/desk/tally.h"
#include "ingress/front/doorman_names.h"
#include "net/loop.h"
#include "proc/role.h"

/* What the log is spared: noise, and fronts that are refused by name, each for itself. */
static struct lines { uint64_t since_ms, said, unsaid; } knocks, strangers;

static struct tally tally; /* strangers, since that was told last */
static struct timer telling;

/* Whether there is one more line in this while; what was not said is, at the beginning of the next. */
static bool may_say(struct lines *lines, enum log_level level) {
    if (lines->since_ms == 0 || loop_now_ms() - lines->since_ms >= GUEST_LINES_EVERY) {
        if (lines->unsaid > 0)
            log_line(level, "%llu more were refused", (unsigned long long)lines->unsaid);
        *lines = (struct lines){.since_ms = loop_now_ms()};
    }
    if (lines->said == LIMIT_GUEST_LINES) {
        lines->unsaid++;
        return false;
    }
    lines->said++;
    return true;
}

void doorman_refused(const struct address *address, const char *reason) {
    char text[ADDRESS_TEXT_MAX];

    if (!may_say(&knocks, LOG_INFO))
        return;
    address_format(address, text);
    log_info("%s is refused: %s", text, reason);
}

void doorman_refused_name(const struct address *address, const struct x509_st *certificate) {
    char text[ADDRESS_TEXT_MAX], had[CERTIFICATE_NAMES_MAX];

    tally.refused[TALLY_STRANGER]++;
    if (!timer_is_set(&telling))
        timer_set(&telling, TALLY_EVERY);
    if (!may_say(&strangers, LOG_WARNING))
        return;
    address_format(address, text);
    doorman_names_describe(certificate, had);
    log_warning("%s is refused: its certificate is of %s, which dispatch.trust.mtls.names does not have", text, had);
}

static void tell_tally(struct timer *timer) {
    struct ipc_writer w = tally_encode(&tally);

    (void)timer;
    tally = (struct tally){0};
    role_send(&w, -EBADF);
}

void doorman_refusals_init(void) {
    telling.on_expiry = tell_tally;
}
