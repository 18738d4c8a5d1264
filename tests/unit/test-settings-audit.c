#include "egress/settings/settings.h"

#include "base/limits.h"
#include "unit_settings.h"

#define NOWHERE                                                                                                        \
    "f.yaml:6: audit: must say where it goes; add file: PATH, file: \"-\" for standard error, or journal: true"
#define LISTEN                                                                                                         \
    "f.yaml:6: metrics: must be where to listen; write ADDRESS:PORT, as 127.0.0.1:9780, [::1]:9780 or "                \
    "localhost:9780, or unix:/PATH"
#define SOCKET "f.yaml:6: metrics: must name a path from / on, of at most 107 characters; write unix:/run/credfd.sock"
#define FIFTY "12345678901234567890123456789012345678901234567890"
#define HUNDRED FIFTY FIFTY

static void refuses_wrong_globals(void **state) {
    static const struct row rows[] = {
        {{.rest = "audit: log\n"},
         "f.yaml:6: audit: must hold keys and their values; write it as { key: value }, or a "
         "line for each key"},
        {{.rest = "audit: {}\n"}, NOWHERE},
        {{.rest = "audit: { journal: false, on_error: block }\n"}, NOWHERE},
        {{.rest = "audit: { journal: yes }\n"},
         "f.yaml:6: audit.journal: must be true or false; write one of them, without quotes"},
        {{.rest = "audit: { file: log, on_error: ignore }\n"},
         "f.yaml:6: audit.on_error: must be block or continue; write one of them"},
        {{.rest = "audit: { file: log, rotate: 1000B }\n"},
         "f.yaml:6: audit.rotate: is too small; write 1KiB to 1024GiB, or remove the key"},
        {{.rest = "audit: { file: log, rotate: daily }\n"},
         "f.yaml:6: audit.rotate: must be a size; write digits and one of B, KB, MB, GB, KiB, MiB and GiB, as 100MiB"},
        {{.rest = "audit:\n  file: \"-\"\n  rotate: 1MiB\n"},
         "f.yaml:8: audit.rotate: goes with a file only; add file: PATH, or remove it"},
        {{.rest = "audit: { journal: true, rotate: 1MiB }\n"},
         "f.yaml:6: audit.rotate: goes with a file only; add file: PATH, or remove it"},
        {{.rest = "audit: { file: log, keep: 3 }\n"},
         "f.yaml:6: audit.keep: goes with `rotate` only; add rotate: 100MiB, or remove it"},
        {{.rest = "audit: { file: log, rotate: 1MiB, keep: 0 }\n"},
         "f.yaml:6: audit.keep: must be more than nothing; write 1 to 100, or remove the key"},
        {{.rest = "audit: { file: log, rotate: 1MiB, keep: 101 }\n"},
         "f.yaml:6: audit.keep: is too large; write at most 100"},
        {{.rest = "metrics: 9780\n"}, LISTEN},
        {{.rest = "metrics: 127.0.0.1\n"}, LISTEN},
        {{.rest = "metrics: 127.0.0.1:0\n"}, LISTEN},
        {{.rest = "metrics: 127.0.0.1:65536\n"}, LISTEN},
        {{.rest = "metrics: metrics.example.org:9780\n"}, LISTEN},
        {{.rest = "metrics: 127.1:9780\n"}, LISTEN},
        {{.rest = "metrics: \"::1:9780\"\n"}, LISTEN},
        {{.rest = "metrics: \":9780\"\n"}, LISTEN},
        {{.rest = "metrics: http://127.0.0.1:9780\n"}, LISTEN},
        {{.rest = "metrics: [ 127.0.0.1:9780 ]\n"},
         "f.yaml:6: metrics: must be text, not a list; put text that starts with [ in quotes"},
        {{.rest = "metrics: unix:metrics.sock\n"}, SOCKET},
        {{.rest = "metrics: \"unix:\"\n"}, SOCKET},
        {{.rest = "metrics: unix:/" HUNDRED "1234567\n"}, SOCKET},
        {{.rest = "log: loud\n"}, "f.yaml:6: log: must be error, warning, info or debug; write one of them"},
        {{.rest = "log: { level: info }\n"}, "f.yaml:6: log: must be error, warning, info or debug; write one of them"},
        {{.rest = "audit: { path: log }\n"},
         "f.yaml:6: audit.path: unknown key; use file, journal, on_error, rotate and keep"},
        {{.rest = "timeouts: { head: 0s }\n"},
         "f.yaml:6: timeouts.head: must be more than nothing; write 1ms to 24h, or "
         "remove the key for the default"},
        {{.rest = "timeouts:\n  headd: 1s\n"}, "f.yaml:7: timeouts.headd: unknown key; did you mean `head`?"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void takes_an_audit(void **state) {
    _cleanup_settings_ struct settings *full = take_text((struct text){
        .rest = "audit: { file: /log/a.jsonl, journal: true, on_error: continue, rotate: 100MiB, keep: 100 }\n"});
    _cleanup_settings_ struct settings *error = take_text((struct text){.rest = "audit: { file: \"-\" }\n"});
    _cleanup_settings_ struct settings *journal = take_text((struct text){.rest = "audit: { journal: true }\n"});
    _cleanup_settings_ struct settings *none = take_text((struct text){0});

    (void)state;
    assert_string_equal(full->audit.file, "/log/a.jsonl");
    assert_string_equal(full->audit.where, "f.yaml:6: audit.file");
    assert_true(full->audit.is_journal);
    assert_true(full->audit.continues_on_error);
    assert_int_equal(full->audit.rotate_bytes, 100 << 20);
    assert_int_equal(full->audit.keep, 100);
    assert_string_equal(error->audit.file, "-");
    assert_false(error->audit.is_journal);
    assert_false(error->audit.continues_on_error);
    assert_int_equal(error->audit.rotate_bytes, 0);
    assert_true(journal->audit.is_journal);
    assert_null(journal->audit.file);
    assert_null(journal->audit.where);
    assert_null(none->audit.file);
    assert_false(none->audit.is_journal);
    assert_int_equal(none->audit.keep, AUDIT_KEEP);
}

static void takes_a_place_for_metrics(void **state) {
    static const char *const rows[] = {"127.0.0.1:9780", "0.0.0.0:1",     "'[::1]:65535'",
                                       "localhost:80",   "unix:/run/x y", "unix:/" HUNDRED "123456"};
    _cleanup_settings_ struct settings *none = take_text((struct text){0});

    (void)state;
    assert_null(none->metrics.listen);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *rest = NULL;
        _cleanup_settings_ struct settings *settings = NULL;
        struct slice written = slice_of_string(rows[i]);

        assert_true(asprintf(&rest, "metrics: %s\n", rows[i]) > 0);
        settings = take_text((struct text){.rest = rest});
        if (written.p[0] == '\'')
            written = slice_of(written.p + 1, written.n - 2);
        assert_row(written, slice_equals(slice_of_string(settings->metrics.listen), written));
        assert_string_equal(settings->metrics.where, "f.yaml:6: metrics");
    }
}

static void takes_a_log_level(void **state) {
    static const struct {
        const char *rest;
        enum log_level level;
    } rows[] = {
        {"", LOG_WARNING},         {"log: error\n", LOG_ERROR}, {"log: warning\n", LOG_WARNING},
        {"log: info\n", LOG_INFO}, {"log: debug\n", LOG_DEBUG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_settings_ struct settings *settings = take_text((struct text){.rest = rows[i].rest});

        assert_int_equal(settings->log_level, rows[i].level);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_globals),
        cmocka_unit_test(takes_an_audit),
        cmocka_unit_test(takes_a_place_for_metrics),
        cmocka_unit_test(takes_a_log_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
