#include "egress/refusal.h"

#include "base/macros.h"

static const struct refusal_text texts[REFUSALS] = {
    [REFUSAL_NONE] = {.name = ""},

    [REFUSAL_NO_RULE] = {"no_rule", 403, "no rule of this lease allows this method and path", SLICE("allow"),
                         SLICE("add a line to the credential's allow list, such as: GET /path/**")},
    [REFUSAL_DENIED] = {"denied", 403, "a rule of this lease denies this method and path", SLICE_EMPTY,
                        SLICE("see the credential's deny list")},
    [REFUSAL_AMBIGUOUS] = {"ambiguous_path", 403, "the path means one thing as written and another when normalised",
                           SLICE("allow"), SLICE("send the path without dot segments, empty segments or escapes")},
    [REFUSAL_EXECUTABLE] = {"executable", 403, "the program that dialled may not use this lease", SLICE("executables"),
                            SLICE("see credfd log for its path, and add that to the credential's executables")},

    [REFUSAL_REQUESTS] = {"requests", 403, "the lease has spent its requests", SLICE("limits.requests"),
                          SLICE("start the command again for a new lease, or raise the limit")},
    [REFUSAL_BYTES] = {"bytes", 403, "the lease has spent its bytes", SLICE("limits.bytes"),
                       SLICE("start the command again for a new lease, or raise the limit")},
    [REFUSAL_RATE] = {"rate", 429, "too many requests in a short time", SLICE("limits.rate"),
                      SLICE("wait as long as Retry-After says")},
    [REFUSAL_CONCURRENT] = {"concurrent", 429, "too many requests at a time", SLICE("limits.concurrent"),
                            SLICE("wait for one of them to end")},
    [REFUSAL_MAX_BODY] = {"max_body", 403, "the request's content is larger than this lease allows",
                          SLICE("limits.max_body"), SLICE("send less at once, or raise the limit")},

    [REFUSAL_TTL] = {"ttl", 403, "the lease's time is over", SLICE("limits.ttl"),
                     SLICE("start the command again for a new lease, or raise the limit")},
    [REFUSAL_REVOKED] = {"revoked", 403, "the lease was revoked", SLICE("revoked"),
                         SLICE("ask whoever revoked it; a new run has a new lease")},
    [REFUSAL_REMOVED] = {"removed", 403, "the credential is no longer in the configuration", SLICE("removed"),
                         SLICE("ask whoever took it out")},

    [REFUSAL_MALFORMED] = {.name = "malformed"},
    [REFUSAL_PLACE] = {"place", 400, NULL, SLICE("inject"), SLICE_EMPTY},
    [REFUSAL_TOO_LARGE] = {"too_large", 431, "the request does not fit", SLICE_EMPTY, SLICE_EMPTY},

    [REFUSAL_AUDIT] = {"audit", 503, "the audit cannot be written, so nothing may pass unseen", SLICE("audit"),
                       SLICE("make room for the audit, or set audit.on_error: continue")},
    [REFUSAL_SECRET] = {"secret", 503, NULL, SLICE("secret"), SLICE("see credfd's own messages")},
    [REFUSAL_NO_MEMORY] = {"no_memory", 503, "out of memory", SLICE_EMPTY, SLICE_EMPTY},
    [REFUSAL_KEEPER] = {"keeper", 503, "the keeper ended before the response", SLICE_EMPTY, SLICE_EMPTY},

    [REFUSAL_UPSTREAM] = {.name = "upstream"},
    [REFUSAL_UPSTREAM_TIMEOUT] = {.name = "upstream_timeout"},

    [REFUSAL_HOST] = {"host", 403, "no lease is for this host, and no rule lets it through", SLICE("egress.allow"),
                      SLICE("add the host and its port to egress.allow, such as: \"packages.example.org:443\"")},
    [REFUSAL_ADDRESS] = {"address", 403, "this name stands for an address that is not public", SLICE("egress.allow"),
                         SLICE("write the address itself, or localhost, into egress.allow if it is meant")},
    [REFUSAL_EXFILTRATION] = {"exfiltration", 403, "the placeholder of a key stands where it does not belong",
                              SLICE("placeholder"), SLICE("see credfd log for the program that sent it")},
    [REFUSAL_CALLER] = {"caller", 403, "whoever connected does not belong to this lease's command", SLICE("isolate"),
                        SLICE("connect from the command that credfd has started, or from what that has started")},
    [REFUSAL_NOT_TLS] = {"not_tls", 403, NULL, SLICE_EMPTY, SLICE("send TLS for the host that CONNECT names")},
    [REFUSAL_GATE] = {"gate", 503, "the gate has ended, and is started again", SLICE_EMPTY, SLICE_EMPTY},
    [REFUSAL_WEBSOCKET] = {"websocket", 403, "this lease lets no WebSocket through", SLICE("websocket"),
                           SLICE("write websocket: true into the credential")},
    [REFUSAL_SCHEME] = {"scheme", 403, NULL, SLICE("upstream"), SLICE_EMPTY},
    [REFUSAL_DISTRUSTED] = {.name = "distrusted"},
};

const struct refusal_text *refusal_text(enum refusal refusal) {
    return &texts[refusal];
}
