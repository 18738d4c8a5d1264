#include "ingress/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "unit.h"

static char directory[] = "/tmp/credfd-test-XXXXXX";

static const struct {
    const char *name, *text;
    mode_t mode;
} files[] = {
    {"front.secret", "s", 0600}, {"jwks.json", "{}", 0644}, {"key.pem", "k", 0600},
    {"key-open.pem", "k", 0644}, {"empty.pem", "", 0600},   {"ca.pem", "-----BEGIN CERTIFICATE-----\n", 0644},
};

static int make_place(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        _cleanup_close_ int fd = open(files[i].name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(fd_write_all(fd, files[i].text, strlen(files[i].text)), 0);
        assert_int_equal(fchmod(fd, files[i].mode), 0);
    }
    return 0;
}

static int remove_place(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_int_equal(unlink(files[i].name), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
    return 0;
}

static int parse(const char *yaml, struct dispatch_settings **ret, char **ret_error) {
    _cleanup_slice_ struct slice bytes = exact_copy(slice_of_string(yaml));

    return dispatch_settings_parse("f.yaml", bytes, ret, ret_error);
}

static struct dispatch_settings *take(const char *yaml) {
    struct dispatch_settings *settings = NULL;
    char *error = NULL;

    if (parse(yaml, &settings, &error) < 0)
        fail_msg("%s\n%s", error ? error : "no error", yaml);
    assert_null(error);
    return settings;
}

/* `line` stands under `dispatch:`, on line 2; the complaint is what follows "f.yaml:2: dispatch.". */
struct row {
    const char *line, *error;
};

static void check_row(const struct row *row) {
    struct dispatch_settings *settings = NULL;
    _cleanup_free_ char *yaml = NULL, *error = NULL, *expected = NULL;

    assert_true(asprintf(&yaml, "dispatch:\n  %s\n", row->line) > 0);
    assert_true(asprintf(&expected, "f.yaml:2: dispatch.%s", row->error) > 0);
    if (parse(yaml, &settings, &error) != -EINVAL)
        fail_msg("taken:\n%s", yaml);
    assert_null(settings);
    assert_string_equal(error ? error : "no error", expected);
}

static void check_rows(const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++)
        check_row(&rows[i]);
}

static void has_a_default_for_everything(void **state) {
    _cleanup_dispatch_settings_ struct dispatch_settings *s = take("dispatch: {}\n");
    static const char *const mint[] = {"sudo", "-n", "/usr/local/bin/t3-mint", "{os_user}"};
    _cleanup_free_ char *places = listen_describe(s), *trusted = trust_describe(&s->trust);

    (void)state;
    assert_int_equal(s->n_listen, 2); /* one for each family */
    assert_int_equal(s->listen[0].kind, LISTEN_TCP);
    assert_int_equal(ntohs(s->listen[0].address.in.sin_port), 3780);
    assert_int_equal(s->listen[1].address.any.sa_family, AF_INET6);
    assert_string_equal(places, ":3780, or what systemd hands over");
    assert_true(s->listens_by_default);
    assert_true(s->trust.is_default && s->trust.takes_all_uids && !s->trust.names_users);
    assert_int_equal(s->trust.n_peers, 2);
    assert_string_equal(trusted, "loopback and unix sockets");
    assert_string_equal(s->identity.header, "X-authentik-username");
    assert_int_equal(s->identity.n_domains, 0);
    assert_string_equal(s->table, "/etc/t3-serve/dispatch.json");
    assert_int_equal(s->table_look_ms, 60000);
    assert_string_equal(s->recipe, "t3");
    for (size_t i = 0; i < ARRAY_LEN(mint); i++)
        assert_string_equal(s->mint.command.argv[i], mint[i]);
    assert_null(s->mint.command.argv[ARRAY_LEN(mint)]);
    assert_int_equal(s->mint.command.timeout_ms, 10000);
    assert_int_equal(s->mint.rate_count, 6);
    assert_int_equal(s->mint.rate_ms, 60000);
    assert_null(s->start.unit);
    assert_string_equal(s->status_path, "/-/credfd");
    assert_null(s->access_log);
    assert_int_equal(s->drain_ms, 30000);
    assert_int_equal(s->workers, 0);
    assert_int_equal(s->timeouts.response_ms, TIMEOUT_RESPONSE);
    assert_int_equal(s->timeouts.head_ms, TIMEOUT_HEAD);
}

static void reads_all_that_there_is(void **state) {
    _cleanup_dispatch_settings_ struct dispatch_settings *s = take(
        "dispatch:\n"
        "  listen: [ \"127.0.0.1:80\", \"[::1]:81\", \"localhost:82\", \"unix:/run/x.sock\", \"tls::3443\", systemd ]\n"
        "  workers: 3\n"
        "  trust:\n"
        "    peers: [ 10.0.0.0/8, \"fd00::/8\", 192.0.2.1 ]\n"
        "    users: [ root, 33 ]\n"
        "    shared_secret: { header: X-Front-Secret, secret: { file: front.secret } }\n"
        "    jwt: { header: X-Jwt, jwks: jwks.json, issuer: me, audience: you, claim: sub }\n"
        "    mtls: { certificate: ca.pem, key: key.pem, ca: ca.pem, names: [ front.example.org ] }\n"
        "  identity: { header: Remote-User, domains: [ Example.ORG ] }\n"
        "  table: { file: table.json, reload: 5s }\n"
        "  profile: jupyter\n"
        "  mint: { command: [ ./mint, \"{os_user}-{name}-{recipe}\" ], timeout: 3s, rate: 2/h }\n"
        "  start: { unit: \"t3@{os_user}.service\", wait: 20s, idle: 30m, activity: { path: /api?x=1, field: a.b } }\n"
        "  admins: [ alice, bob ]\n"
        "  status_path: /admin\n"
        "  access_log: { file: access.jsonl }\n"
        "  drain: 1s\n"
        "  response_timeout: 7s\n"
        "timeouts: { head: 1s, idle: 2s, body: 3s, write: 4s, stream: 5s, connect: 6s }\n"
        "metrics: 127.0.0.1:9780\n"
        "log: debug\n"
        "credentials: whatever\n"
        "audit: whatever\n"
        "runner: { a: b }\n"
        "egress: [ c ]\n");
    _cleanup_free_ char *places = listen_describe(s), *trusted = trust_describe(&s->trust);

    (void)state;
    assert_string_equal(places, "127.0.0.1:80, [::1]:81, localhost:82, unix:/run/x.sock, tls::3443, systemd");
    assert_int_equal(s->n_listen, 7);
    assert_int_equal(s->listen[2].address.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_string_equal(s->listen[3].path, "/run/x.sock");
    assert_int_equal(s->listen[4].kind, LISTEN_TLS);
    assert_string_equal(s->listen[6].where, "f.yaml:2: dispatch.listen[5]");
    assert_int_equal(s->workers, 3);
    assert_int_equal(s->trust.n_peers, 3);
    assert_int_equal(s->trust.peers[0].bits, 8);
    assert_int_equal(s->trust.n_uids, 2);
    assert_int_equal(s->trust.uids[1], 33);
    assert_false(s->trust.takes_all_uids || s->trust.is_default);
    assert_true(s->trust.names_users && s->trust.shared_secret.secret.is_digest_enough);
    assert_string_equal(s->trust.jwt.claim, "sub");
    assert_true(s->trust.jwt.jwks[0] == '/');
    assert_string_equal(s->trust.mtls.names[0], "front.example.org");
    assert_string_equal(trusted, "10.0.0.0/8, fd00::/8, 192.0.2.1 and unix sockets by user 0, 33 and certificates of "
                                 "front.example.org, with the secret in X-Front-Secret, with an assertion in X-Jwt");
    assert_string_equal(s->identity.domains[0], "example.org");
    assert_int_equal(s->table_look_ms, 5000);
    assert_true(s->table[0] == '/' && s->mint.command.argv[0][0] == '/' && s->access_log[0] == '/');
    assert_int_equal(s->mint.rate_count, 2);
    assert_int_equal(s->mint.rate_ms, 3600000);
    assert_string_equal(s->start.unit, "t3@{os_user}.service");
    assert_int_equal(s->start.idle_ms, 30 * 60000);
    assert_string_equal(s->start.activity_path, "/api?x=1");
    assert_string_equal(s->start.activity_field, "a.b");
    assert_int_equal(s->n_admins, 2);
    assert_int_equal(s->timeouts.connect_ms, 6000);
    assert_int_equal(s->timeouts.response_ms, 7000);
    assert_string_equal(s->metrics.listen, "127.0.0.1:9780");
    assert_int_equal(s->log_level, LOG_DEBUG);
}

static void needs_its_section(void **state) {
    struct dispatch_settings *settings = NULL;
    _cleanup_free_ char *error = NULL;

    (void)state;
    assert_int_equal(parse("log: info\n", &settings, &error), -ENOENT);
    assert_null(settings);
    assert_string_equal(error, "f.yaml:1: dispatch: is missing; add dispatch: {} for a dispatcher with every default; "
                               "see credfd.yaml(5)");
}

static void refuses_what_nobody_can_listen_at(void **state) {
    static const char mend[] = "listen[0]: is no place to listen at; write ADDRESS:PORT, :PORT for all addresses, "
                               "unix:/PATH, tls:ADDRESS:PORT or systemd";
    static const struct row rows[] = {
        {"listen: []", "listen: the list is too short; write at least 1"},
        {"listen: [ 3780 ]", mend},
        {"listen: [ \":0\" ]", mend},
        {"listen: [ \":70000\" ]", mend},
        {"listen: [ \"127.0.0.1\" ]", mend},
        {"listen: [ \"127.0.0.1:0\" ]", mend},
        {"listen: [ \"front.example.org:80\" ]", mend},
        {"listen: [ \"::1:80\" ]", mend},
        {"listen: [ \"unix:run/x\" ]", mend},
        {"listen: [ \"tls:systemd\" ]", mend},
        {"listen: [ \":80\", \"0.0.0.0:80\" ]", "listen[1]: is listened at already; remove one of the two"},
        {"listen: [ systemd, systemd ]", "listen[1]: is listened at already; remove one of the two"},
        {"listen: [ \"unix:/a\", \"unix:/a\" ]", "listen[1]: is listened at already; remove one of the two"},
        {"listen: [ \"tls::3443\" ]", "listen: a tls: place is for fronts that show a certificate; add trust: { mtls: "
                                      "{ certificate: FILE, key: FILE, "
                                      "ca: FILE, names: [ NAME ] } }"},
        {"workers: 0", "workers: must be more than nothing; write 1 to 64, or remove the key"},
        {"workers: 65", "workers: is too large; write at most 64"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void refuses_doubtful_trust(void **state) {
    static const char range[] = "trust.peers[0]: must be an address or a range of them, with no bit set behind those "
                                "that count; write 10.0.0.7, 10.0.0.0/8 or \"fd00::/8\"";
    static const struct row rows[] = {
        {"trust: { peer: [] }", "trust.peer: unknown key; did you mean `peers`?"},
        {"trust: { peers: [ 10.0.0.1/8 ] }", range},
        {"trust: { peers: [ 10.0.0.0/33 ] }", range},
        {"trust: { peers: [ front ] }", range},
        {"trust: { users: root }", "trust.users: must be `all`, or a list of users who may connect to a unix socket; "
                                   "write [ www-data ]"},
        {"trust: { users: [ nobody-of-that-name ] }",
         "trust.users[0]: is no user of this machine; write a user's name or number"},
        {"trust: { shared_secret: { header: X-S } }",
         "trust.shared_secret.secret: is missing; add secret: { file: PATH }"},
        {"trust: { shared_secret: { secret: { file: a } } }",
         "trust.shared_secret.header: is missing; add header: X-Front-Secret"},
        {"trust: { shared_secret: { header: X_S, secret: { file: a } } }",
         "trust.shared_secret.header: must name a header field; use letters, digits and `-` alone"},
        {"trust: { shared_secret: { header: Cookie, secret: { file: a } } }",
         "trust.shared_secret.header: has a meaning of its own in HTTP; name a field that the front alone sets"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void refuses_doubtful_assertions(void **state) {
    static const struct row rows[] = {
        {"trust: { jwt: { header: X, jwks: jwks.json, issuer: a } }",
         "trust.jwt.audience: is missing; add audience: and what `aud` must be, so that an assertion for another "
         "application is none here"},
        {"trust: { jwt: { header: X, jwks: jwks.json, audience: a } }",
         "trust.jwt.issuer: is missing; add issuer: and what `iss` must be"},
        {"trust: { jwt: { header: X, jwks: absent.json, issuer: a, audience: b } }",
         "trust.jwt.jwks: the file cannot be read: No such file or directory; create it, or correct the path, which "
         "starts from this file's directory unless it starts with /"},
        {"trust: { jwt: { header: X, jwks: jwks.json, ca_file: ca.pem, issuer: a, audience: b } }",
         "trust.jwt.ca_file: goes with a URL of keys only; remove it"},
    };
    static const char plain[] = "dispatch: { trust: { jwt: { header: X, jwks: \"http://id.example.org/k\", issuer: a, "
                                "audience: b } } }\n";
    struct dispatch_settings *settings = NULL;
    _cleanup_free_ char *error = NULL;

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
    /* what two keys disagree about is told of what they stand in */
    assert_int_equal(parse("dispatch: { trust: { jwt: { header: X-Authentik-Username, jwks: jwks.json, issuer: a, "
                           "audience: b } } }\n",
                           &settings, &error),
                     -EINVAL);
    assert_string_equal(error, "f.yaml:1: dispatch: names the header field X-Authentik-Username twice; give the name, "
                               "the secret and the assertion a field each");
    free(steal_pointer(&error));
    assert_int_equal(parse(plain, &settings, &error), -EINVAL); /* keys in the clear, from another machine */
    assert_non_null(strstr(error, "f.yaml:1: dispatch.trust.jwt.jwks: "));
}

static void refuses_doubtful_certificates(void **state) {
    static const struct row rows[] = {
        {"trust: { mtls: { certificate: ca.pem, key: key.pem, ca: ca.pem, names: [ a ] } }",
         "trust.mtls: goes with a tls: place only; add listen: [ \"tls::3443\" ], or remove it"},
        {"trust: { mtls: { certificate: ca.pem, key: key-open.pem, ca: ca.pem, names: [ a ] } }",
         "trust.mtls.key: every user of this machine may get at the file (mode 0644); close it with chmod 600"},
        {"trust: { mtls: { certificate: empty.pem } }",
         "trust.mtls.certificate: the file is empty; put it in PEM form in there"},
        {"trust: { mtls: { certificate: ca.pem, key: key.pem, ca: ca.pem } }",
         "trust.mtls.names: is missing; add names: and a list of names, of which a front's certificate must "
         "have one"},
        {"trust: { mtls: { certificate: ca.pem, key: key.pem, ca: key.pem, names: [ a ] } }",
         "trust.mtls.ca: holds no certificate; name a file in PEM form"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void refuses_doubtful_names(void **state) {
    static const struct row rows[] = {
        {"identity: { header: X-Forwarded-For }",
         "identity.header: has a meaning of its own in HTTP; name a field that the front alone sets"},
        {"identity: { header: \"X Y\" }",
         "identity.header: must name a header field; use letters, digits and `-` alone"},
        {"identity: { domains: [] }", "identity.domains: the list is too short; write at least 1"},
        {"identity: { domains: [ \"@a.org\" ] }",
         "identity.domains[0]: must be a domain, what stands behind @; write example.org"},
        {"profile: ../x", "profile: must name a kind of instance; write t3, jupyter, code-server, ttyd, none "
                          "or one of your own, see "
                          "credfd-instances(5)"},
        {"status_path: x", "status_path: must be a path from / on, of letters, digits and any of / . _ ~ -; write "
                           "/-/credfd"},
        {"status_path: //x", "status_path: begins with //, which is a host to a browser; write /-/credfd"},
        {"status_path: /healthz", "status_path: is a path that answers anybody, so that the page would never be seen; "
                                  "write /-/credfd"},
        {"status_path: /probe/ws", "status_path: is a path that answers anybody, so that the page would never be seen; "
                                   "write /-/credfd"},
        {"status_path: \"/a?b\"", "status_path: must be a path from / on, of letters, digits and any of / . _ ~ -; "
                                  "write /-/credfd"},
        {"access_log: {}", "access_log.file: is missing; add file: PATH, or file: \"-\" for standard error"},
        {"drain: 30", "drain: must be a time; write digits and a unit, as 500ms, 30s, 5m or 1h"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void refuses_doubtful_commands(void **state) {
    static const struct row rows[] = {
        {"mint: { command: mint }", "mint.command: is a list of words, since no shell reads it; write [ sudo, -n, "
                                    "PROGRAM, \"{os_user}\" ]"},
        {"mint: { command: [] }", "mint.command: the list is too short; write at least 1"},
        {"mint: { command: [ a, \"{user}\" ] }",
         "mint.command[1]: { starts nothing known here; use {os_user}, {name} or {recipe}"},
        {"mint: { command: [ a, \"{os_user\" ] }",
         "mint.command[1]: { starts nothing known here; use {os_user}, {name} or {recipe}"},
        {"mint: { command: [ a, \"os_user}\" ] }",
         "mint.command[1]: } ends nothing known here; use {os_user}, {name} or {recipe}"},
        {"mint: { command: [ \"{os_user}\" ] }",
         "mint.command[0]: must be the same program for everybody; write {os_user} in its arguments"},
        {"mint: { command: [ ~/mint ] }",
         "mint.command[0]: ~ stands for no home directory here; write the program's path in full"},
        {"start: { unit: a }", "start.unit: must name a service of systemd; write it as t3@{os_user}.service"},
        {"start: { unit: \"a b.service\" }",
         "start.unit: must name a service of systemd; write it as t3@{os_user}.service"},
        {"start: { unit: \"a@{name}.service\" }", "start.unit: { starts nothing known here; use {os_user}"},
        {"start: { unit: \"a@{recipe}.service\" }", "start.unit: { starts nothing known here; use {os_user}"},
        {"start: { unit: \"a@{os_user.service\" }", "start.unit: { starts nothing known here; use {os_user}"},
        {"start: { unit: \"a@{{os_user}.service\" }", "start.unit: { starts nothing known here; use {os_user}"},
        {"start: { unit: \"a@os_user}.service\" }", "start.unit: } ends nothing known here; use {os_user}"},
        {"start: { unit: \"a@{os_user}}.service\" }", "start.unit: } ends nothing known here; use {os_user}"},
        {"start: { unit: \"@{os_user}.service\" }",
         "start.unit: must name a service of systemd; write it as t3@{os_user}.service"},
        {"start: { unit: a.service, command: [ a ] }",
         "start: starts instances in one way; write `unit`, or `command` and `stop`"},
        {"start: { unit: a.service, timeout: 1s }", "start.timeout: goes with `command` only; remove it"},
        {"start: { stop: [ a ] }", "start.stop: goes with `command` only; add command: [ WORD, ... ]"},
        {"start: { command: [ a ], idle: 1m }", "start.idle: needs a way to stop an instance; add stop: [ WORD, ... ]"},
        {"start: { unit: a.service, activity: { path: /a, field: b } }",
         "start.activity: is asked before an idle instance is stopped; add idle: 30m, or remove it"},
        {"start: { unit: a.service, idle: 1m, activity: { path: a, field: b } }",
         "start.activity.path: must be a path and query of the instance, from / on, of at most 128 characters; "
         "write "
         "/api/status"},
        {"start: { unit: a.service, idle: 1m, activity: { path: \"/a b\", field: b } }",
         "start.activity.path: has a character that no path may have; write it percent-encoded"},
        {"start: { unit: a.service, idle: 1m, activity: { path: /a } }",
         "start.activity.field: is missing; add field: and where its JSON says idle, as status.idle"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void refuses_keys_that_it_does_not_know(void **state) {
    static const struct row rows[] = {
        {"tabel: {}", "tabel: unknown key; did you mean `table`?"},
        {"table: table.json", "table: must hold keys and their values; write it as { key: value }, or a line for each "
                              "key"},
        {"start: { unti: a }", "start.unti: unknown key; did you mean `unit`?"},
    };
    struct dispatch_settings *settings = NULL;
    _cleanup_free_ char *error = NULL;

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
    assert_int_equal(parse("dispatch: {}\ndispatcher: {}\n", &settings, &error), -EINVAL);
    assert_string_equal(error, "f.yaml:2: dispatcher: unknown key; did you mean `dispatch`?");
}

static void says_nothing_of_a_secret_in_the_wrong_place(void **state) {
    struct dispatch_settings *settings = NULL;
    _cleanup_free_ char *error = NULL;

    (void)state;
    assert_int_equal(
        parse("dispatch: { trust: { shared_secret: { header: X-S, secret: canary } } }\n", &settings, &error), -EINVAL);
    assert_null(strstr(error, "canary"));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_a_default_for_everything),
        cmocka_unit_test(reads_all_that_there_is),
        cmocka_unit_test(needs_its_section),
        cmocka_unit_test(refuses_what_nobody_can_listen_at),
        cmocka_unit_test(refuses_doubtful_trust),
        cmocka_unit_test(refuses_doubtful_assertions),
        cmocka_unit_test(refuses_doubtful_certificates),
        cmocka_unit_test(refuses_doubtful_names),
        cmocka_unit_test(refuses_doubtful_commands),
        cmocka_unit_test(refuses_keys_that_it_does_not_know),
        cmocka_unit_test(says_nothing_of_a_secret_in_the_wrong_place),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
