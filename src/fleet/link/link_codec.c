#include "fleet/link/link_codec.h"

#include <errno.h>
#include <string.h>

struct ipc_writer link_settings_encode(const struct link_settings *settings) {
    struct ipc_writer w = ipc_begin(IPC_LINK);

    ipc_put_bytes(&w, slice_of_string(settings->url));
    ipc_put_u8(&w, settings->has_ca);
    ipc_put_u8(&w, (uint8_t)settings->log_level);
    ipc_put_bytes(&w, slice_of_string(settings->proxy));
    ipc_put_bytes(&w, slice_of_string(settings->no_proxy));
    ipc_put_bytes(&w, slice_of_string(settings->version));
    ipc_put_bytes(&w, slice_of_string(settings->workspace));
    ipc_put_bytes(&w, slice_of_string(settings->username));
    ipc_put_bytes(&w, slice_of_string(settings->home));
    ipc_put_bytes(&w, slice_of_string(settings->shell));
    return w;
}

/* A text of ours that becomes a C string of `size`. */
static struct slice get_text(struct ipc_message *m, size_t size) {
    struct slice text = ipc_get_bytes(m, size - 1);

    if (text.n > 0 && slice_has(text, '\0'))
        ipc_fail(m);
    return text;
}

static void keep(char *to, struct slice text) {
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    to[text.n] = '\0';
}

int link_settings_decode(struct ipc_message *m, struct link_settings *ret) {
    struct slice url = get_text(m, sizeof(ret->url));
    uint8_t has_ca = ipc_get_u8(m), log_level = ipc_get_u8(m);
    struct slice proxy = get_text(m, sizeof(ret->proxy)), no_proxy = get_text(m, sizeof(ret->no_proxy));
    struct slice version = get_text(m, sizeof(ret->version)), workspace = get_text(m, sizeof(ret->workspace));
    struct slice username = get_text(m, sizeof(ret->username)), home = get_text(m, sizeof(ret->home));
    struct slice shell = get_text(m, sizeof(ret->shell));
    struct uri_upstream hub;

    if (has_ca > 1 || log_level > LOG_DEBUG || uri_parse_upstream(url, &hub))
        ipc_fail(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    keep(ret->url, url);
    (void)uri_parse_upstream(slice_of_string(ret->url), &ret->hub);
    ret->has_ca = has_ca == 1;
    ret->log_level = (enum log_level)log_level;
    keep(ret->proxy, proxy);
    keep(ret->no_proxy, no_proxy);
    keep(ret->version, version);
    keep(ret->workspace, workspace);
    keep(ret->username, username);
    keep(ret->home, home);
    keep(ret->shell, shell);
    return 0;
}
