/* What an instance says about a session: a definite word, or nothing; and a name that is a cookie's and no pattern. */
#include "base/macros.h"
#include "fuzz.h"
#include "ingress/pairing/cookie.h"
#include "ingress/pairing/session_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char field[] = "authenticated", cookie_field[] = "auth.sessionCookieName";
    const struct recipe recipe = {.session_field = field, .cookie_field = cookie_field};
    struct slice body = slice_of(size > 0 ? (const void *)data : "", size);
    struct session_report report;

    if (size > LIMIT_INSTANCE_ANSWER)
        return 0;
    session_report_read(&recipe, 200, body, &report);
    REQUIRE(report.verdict == VERDICT_UNKNOWN || memmem(body.p, body.n, "\"", 1));
    REQUIRE(!*report.cookie_name || cookie_is_plain_name(slice_of_string(report.cookie_name)));
    session_report_read(&recipe, 500, body, &report);
    REQUIRE(report.verdict == VERDICT_UNKNOWN && !*report.cookie_name);
    return 0;
}
