#include "egress/gate/gate_rule.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/num.h"
#include "net/address.h"

#define LABEL_MAX 63 /* RFC 1035 §2.3.4 */

static const char no_memory[] = "";
static const char no_port[] = "has no port; write it behind the host, as packages.example.org:443";

static bool is_address(struct slice text) {
    struct address address;

    return address_parse(text, 0, &address) == 0;
}

static bool is_label_char(char c) {
    return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_label(struct slice text) {
    if (text.n == 0 || text.n > LABEL_MAX || text.p[0] == '-' || text.p[text.n - 1] == '-')
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (!is_label_char(text.p[i]))
            return false;
    return true;
}

/* Decimal or, behind 0x, hexadecimal: at the end of a host it makes an address of it in somebody's reading. */
static bool is_number(struct slice label) {
    bool is_hex = label.n > 1 && label.p[0] == '0' && ascii_lower(label.p[1]) == 'x';

    for (size_t i = is_hex ? 2 : 0; i < label.n; i++)
        if (is_hex ? num_hex_digit(label.p[i]) < 0 : label.p[i] < '0' || label.p[i] > '9')
            return false;
    return true;
}

static bool is_name(struct slice text) {
    struct slice rest = text, label = SLICE_EMPTY;

    if (text.n == 0 || text.n > LIMIT_HOST)
        return false;
    while (rest.p) {
        label = slice_cut(&rest, '.');
        if (!is_label(label))
            return false;
    }
    return !is_number(label);
}

bool gate_host_is_valid(struct slice host) {
    return is_name(host) || is_address(host);
}

static bool has_foreign_letter(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] >= 0x80)
            return true;
    return false;
}

/* What people write who mean a URL, or many addresses: something with a slash. */
static const char *check_slash(struct slice text) {
    size_t at = slice_index(text, '/');

    if (at == text.n)
        return NULL;
    if (slice_ends_with(slice_first(text, at), SLICE(":")) && slice_starts_with(slice_from(text, at), SLICE("//")))
        return "has a scheme in front; write the host and its port alone, as packages.example.org:443";
    if (is_address(slice_first(text, at)))
        return "is a range of addresses, which cannot be let through; write each address that is meant";
    return "has a path behind the host; write the host and its port alone, as packages.example.org:443";
}

static const char *check_text(struct slice text) {
    if (text.n == 0)
        return "is empty; write a host and its port, as packages.example.org:443";
    if (has_foreign_letter(text))
        return "has a letter outside of ASCII; write the name as it is sent, in its xn-- form";
    if (slice_has(text, '@'))
        return "has a user in front; write the host and its port alone, as packages.example.org:443";
    return check_slash(text);
}

static const char *parse_port(struct slice text, uint16_t *ret) {
    uint64_t port;

    if (num_parse(text, UINT16_MAX, &port) < 0 || port == 0 || text.p[0] == '0')
        return "has a port that is none; write a number from 1 to 65535, as packages.example.org:443";
    *ret = (uint16_t)port;
    return NULL;
}

static const char *check_name(struct slice host) {
    if (slice_has(host, '*'))
        return "has a * that does not stand for all names below a domain; write it in front alone, as "
               "*.example.net:443";
    if (slice_ends_with(host, SLICE(".")))
        return "has a dot at the end; write the name without it";
    if (!is_name(host))
        return "is no host; write a name of letters, digits and -, or an address, and the port";
    return NULL;
}

/* 0.0.0.0 and :: mean every address of this machine to who listens, and this machine to who connects. */
static const char *check_address(struct slice host) {
    if (slice_equals(host, SLICE("0.0.0.0")) || slice_equals(host, SLICE("::")))
        return "is no address of a host; write the one that is meant";
    return NULL;
}

static const char *parse_host(struct slice *host, struct gate_rule *to) {
    if (host->n == 0)
        return "has no host in front of its port; write packages.example.org:443";
    if (slice_equals(*host, SLICE("*")) || slice_equals(*host, SLICE("*.")))
        return "would let every host through; write the names that are meant, with *.example.net:443 for all below one";
    if (is_address(*host)) {
        to->is_special = true;
        return check_address(*host);
    }
    if (slice_starts_with(*host, SLICE("*."))) {
        to->is_wildcard = true;
        *host = slice_from(*host, 2);
        if (is_address(*host))
            return "has a * in front of an address, which has nothing below it; write each address that is meant";
        if (!slice_has(*host, '.') && is_name(*host))
            return "would let all of a top-level domain through; write a domain below it, as *.example.net:443";
    }
    to->is_special = slice_equals_nocase(*host, SLICE("localhost"));
    return check_name(*host);
}

/* HOST:PORT, taken apart: only an IPv6 address has brackets, and it has them always. */
static const char *split_brackets(struct slice text, struct slice *ret_host, struct slice *ret_port) {
    struct slice rest = slice_from(text, 1), host = slice_cut(&rest, ']');

    if (!rest.p || !slice_has(host, ':') || !is_address(host))
        return "has brackets around what is no IPv6 address; write [2001:db8::1]:443";
    *ret_host = host;
    *ret_port = slice_from(rest, 1);
    return slice_starts_with(rest, SLICE(":")) ? NULL : no_port;
}

static const char *split(struct slice text, struct slice *ret_host, struct slice *ret_port) {
    struct slice rest = text;

    if (slice_starts_with(text, SLICE("[")))
        return split_brackets(text, ret_host, ret_port);
    *ret_host = slice_cut(&rest, ':');
    if (!rest.p)
        return no_port;
    *ret_port = rest;
    if (slice_has(rest, ':'))
        return "is an IPv6 address without brackets, or has two ports; write [2001:db8::1]:443";
    return NULL;
}

static char *copy_lower(struct slice text) {
    char *copy = malloc(text.n + 1);

    for (size_t i = 0; copy && i < text.n; i++)
        copy[i] = ascii_lower(text.p[i]);
    if (copy)
        copy[text.n] = '\0';
    return copy;
}

const char *gate_rule_parse(struct slice text, struct gate_rule *ret) {
    struct gate_rule rule = {0};
    struct slice host = SLICE_EMPTY, port = SLICE_EMPTY;
    const char *fault = check_text(text);

    if (!fault)
        fault = split(text, &host, &port);
    if (!fault)
        fault = parse_port(port, &rule.port);
    if (!fault)
        fault = parse_host(&host, &rule);
    if (fault)
        return fault;
    rule.host = copy_lower(host);
    if (!rule.host)
        return no_memory;
    *ret = rule;
    return NULL;
}

void gate_rule_done(struct gate_rule *rule) {
    free(rule->host);
    rule->host = NULL;
}

/* However either of them is written. */
static bool is_same_address(struct slice a, struct slice b) {
    struct address first, second;

    return address_parse(a, 0, &first) == 0 && address_parse(b, 0, &second) == 0 && first.n == second.n &&
           memcmp(&first.any, &second.any, first.n) == 0;
}

static bool is_below(struct slice host, struct slice domain) {
    size_t front = host.n - domain.n;

    return host.n > domain.n + 1 && host.p[front - 1] == '.' && slice_equals_nocase(slice_from(host, front), domain);
}

static bool lets_through(const struct gate_rule *rule, struct slice host, uint16_t port) {
    struct slice own = slice_of_string(rule->host);

    if (rule->port != port)
        return false;
    if (rule->is_wildcard)
        return is_name(host) && is_below(host, own);
    return slice_equals_nocase(own, host) || (rule->is_special && is_same_address(own, host));
}

const struct gate_rule *gate_rule_find(const struct gate_rule *rules, size_t n, struct slice host, uint16_t port) {
    for (size_t i = 0; i < n; i++)
        if (lets_through(&rules[i], host, port))
            return &rules[i];
    return NULL;
}

bool gate_rule_is_same(const struct gate_rule *a, const struct gate_rule *b) {
    return a->is_wildcard == b->is_wildcard && (a->is_wildcard ? a->port == b->port && strcmp(a->host, b->host) == 0
                                                               : lets_through(a, slice_of_string(b->host), b->port));
}

static size_t format(const char *front, struct slice host, uint16_t port, char to[static GATE_RULE_TEXT_MAX]) {
    bool is_ipv6 = slice_has(host, ':');
    int n = snprintf(to, GATE_RULE_TEXT_MAX, "%s%s%.*s%s:%u", front, is_ipv6 ? "[" : "",
                     SLICE_ARG(slice_first(host, LIMIT_HOST)), is_ipv6 ? "]" : "", port);

    return n > 0 ? (size_t)n : 0;
}

size_t gate_rule_format(const struct gate_rule *rule, char to[static GATE_RULE_TEXT_MAX]) {
    return format(rule->is_wildcard ? "*." : "", slice_of_string(rule->host), rule->port, to);
}

size_t gate_host_format(struct slice host, uint16_t port, char to[static GATE_RULE_TEXT_MAX]) {
    return format("", host, port, to);
}
