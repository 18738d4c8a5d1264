#include "egress/desk/doors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/text.h"
#include "egress/desk/door_directory.h"
#include "egress/settings/environment.h"

/* Who looks at which. Of some programs the library counts, of others the program; an empty NO_PROXY excepts no host. */
static const char *const proxy_names[] = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
                                          "http_proxy", "https_proxy", "all_proxy"};

/*
 * SSL_CERT_DIR stays what it is: whoever looks at it (OpenSSL, Go) adds what is there to the bundle, and takes nothing
 * away. NODE_EXTRA_CA_CERTS and DENO_CERT add the bundle to what these programs have built in.
 */
static const char *const bundle_names[] = {
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "PIP_CERT",
    "DENO_CERT",
    "CARGO_HTTP_CAINFO",
    "NIX_SSL_CERT_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_CA_CERTS",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "npm_config_cafile", /* npm's settings may name a file, which counts more than NODE_EXTRA_CA_CERTS */
};

void doors_plan(struct doors *doors, const struct credential *const *credentials, size_t n, bool has_proxy) {
    *doors = (struct doors){.n_leases = n, .has_proxy = has_proxy, .proxy = -EBADF, .diag = -EBADF, .lock = -EBADF};
    for (size_t i = 0; i < n; i++)
        doors->lease[i] = (struct lease_doors){.name = credentials[i]->name,
                                               .has_base_url = environment_names(credentials[i], SLICE("base_url")),
                                               .has_socket = environment_names(credentials[i], SLICE("socket")),
                                               .base_url = -EBADF,
                                               .socket = -EBADF};
}

void doors_done(struct doors *doors) {
    for (size_t i = 0; i < doors->n_leases; i++) {
        fd_close(&doors->lease[i].base_url);
        fd_close(&doors->lease[i].socket);
        free(doors->lease[i].socket_path);
        doors->lease[i].socket_path = NULL;
    }
    fd_close(&doors->proxy);
    fd_close(&doors->diag);
    free(doors->bundle);
    free(doors->java);
    doors->bundle = doors->java = NULL;
    door_directory_remove(&doors->directory, &doors->lock);
}

bool doors_are_wanted(const struct doors *doors) {
    bool is_one = doors->has_proxy;

    for (size_t i = 0; i < doors->n_leases && !is_one; i++)
        is_one = lease_doors_is_wanted(&doors->lease[i]);
    return is_one;
}

size_t doors_count_tcp(const struct doors *doors) {
    size_t n = doors->has_proxy;

    for (size_t i = 0; i < doors->n_leases; i++)
        n += doors->lease[i].has_base_url;
    return n;
}

static void put_variable(struct text *text, const char *name, const char *value) {
    text_put(text, slice_of_string(name));
    text_put(text, SLICE("="));
    text_put(text, slice_of_string(value));
    text_put(text, slice_of("", 1));
}

static void put_proxy(struct text *text, const struct doors *doors) {
    for (size_t i = 0; i < ARRAY_LEN(proxy_names); i++) {
        text_add(text, "%s=http://127.0.0.1:%u", proxy_names[i], (unsigned)doors->proxy_port);
        text_put(text, slice_of("", 1));
    }
    put_variable(text, "NO_PROXY", "");
    put_variable(text, "no_proxy", "");
    put_variable(text, "NODE_USE_ENV_PROXY", "1"); /* Node's own fetch, where it knows it: 22.21, 24 */
}

/* What was said before, and ours behind it, where a later option wins. */
static void put_options(struct text *text, const char *name, const char *before) {
    text_put(text, slice_of_string(name));
    text_put(text, SLICE("="));
    if (before && *before) {
        text_put(text, slice_of_string(before));
        text_put(text, SLICE(" "));
    }
}

static void put_java(struct text *text, const struct doors *doors, const char *before) {
    unsigned port = doors->proxy_port;

    put_options(text, "JAVA_TOOL_OPTIONS", before);
    text_add(text,
             "-Djavax.net.ssl.trustStore=%s -Djavax.net.ssl.trustStorePassword=" DOORS_JAVA_PASSWORD
             " -Djavax.net.ssl.trustStoreType=PKCS12",
             doors->java);
    text_add(text,
             " -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=%u -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=%u"
             " -Dhttp.nonProxyHosts=",
             port, port);
    text_put(text, slice_of("", 1));
}

int doors_environment(struct buf *to, const struct doors *doors, const char *java_options, const char *node_options) {
    struct text text = {.to = to};

    if (!doors->has_proxy)
        return 0;
    put_proxy(&text, doors);
    for (size_t i = 0; doors->bundle && i < ARRAY_LEN(bundle_names); i++)
        put_variable(&text, bundle_names[i], doors->bundle);
    if (doors->bundle) {
        text_add(&text, "SYSTEM_WGETRC=%s/" DOORS_WGETRC, doors->directory);
        text_put(&text, slice_of("", 1));
        put_options(&text, "NODE_OPTIONS", node_options);
        text_add(&text, "--require=%s/" DOORS_NODE, doors->directory);
        text_put(&text, slice_of("", 1));
    }
    if (doors->java)
        put_java(&text, doors, java_options);
    return text.error;
}
