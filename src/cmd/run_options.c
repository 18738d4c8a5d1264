#include "cmd/run_options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/slice.h"
#include "cmd/cmd.h"
#include "cmd/usage.h"

static const char usage[] =
    "usage: credfd run [-c FILE] [--as NAME] [--lease NAME]... [OPTION]... -- COMMAND [ARGUMENT]...\n"
    "       credfd run {--profile NAME --secret KIND:VALUE}... [OPTION]... -- COMMAND [ARGUMENT]...\n"
    "\n"
    "Runs the command with a lease of each credential: a descriptor, 3 upward, and whatever doors the\n"
    "configuration opens for programs that know nothing of descriptors: a base URL, a unix socket, a proxy.\n"
    "Through them its HTTP requests reach the API with the key. The command itself never holds a key.\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --as NAME      in whose name: stands in the audit; the invoking user without it\n"
    "      --lease NAME   only this credential; may be given several times, in the order of the descriptors\n"
    "      --profile NAME a ready-made credential, in place of a configuration; credfd profile lists them\n"
    "      --secret KIND:VALUE\n"
    "                     where the profile's secret is: file:PATH, env:NAME, fd:NUMBER, systemd:NAME or\n"
    "                     \"command:PROGRAM ARGUMENT ...\"; of several, the first goes with the first profile\n"
    "      --proxy        open the proxy, as a top-level `egress:` does: HTTPS_PROXY and a bundle of\n"
    "                     certificates are set, and programs that honour them need nothing else\n"
    "      --isolate MODE how much of the machine the command sees: none, network (what doors need, and the\n"
    "                     default with them: no network but the doors), full (and processes and files of its\n"
    "                     own); MODE,best: less will do where that cannot be; best alone is network,best\n"
    "      --read PATH    with full: it may read there too; --write PATH: and write. May be given often\n"
    "      --learn FILE   allow everything at the upstreams for this one run, and write rules for it to FILE\n"
    "      --audit FILE   where the audit goes, instead of the configuration's; - is standard error\n"
    "      --help         print this\n"
    "\n"
    "The exit status is the command's; 128 and the signal's number when a signal ended it; 125 when\n"
    "credfd failed, 126 when the command cannot be executed, 127 when it is not found.\n";

enum { AS = 256, LEASE, PROFILE, SECRET, AUDIT, PROXY, ISOLATE, READ, WRITE, LEARN };

/* Of --secret: the n-th belongs to the n-th --profile. */
struct pairing {
    size_t n_secrets;
};

static int refuse_more(const char *option, size_t most) {
    log_error("run: %s: no more than %zu", option, most);
    return -E2BIG;
}

static int add(const char **list, size_t most, size_t *n, const char *text, const char *option) {
    if (*n == most)
        return refuse_more(option, most);
    list[(*n)++] = text;
    return 0;
}

static int add_profile(struct run_options *options, const char *name) {
    if (options->n_profiles == LIMIT_LEASES)
        return refuse_more("--profile", LIMIT_LEASES);
    options->profiles[options->n_profiles++].name = name;
    return 0;
}

static int add_secret(struct run_options *options, struct pairing *pairing, const char *secret) {
    if (pairing->n_secrets == LIMIT_LEASES)
        return refuse_more("--secret", LIMIT_LEASES);
    options->profiles[pairing->n_secrets++].secret = secret;
    return 0;
}

/* MODE, MODE,best or best. */
static int read_isolation(struct run_options *options, const char *text) {
    static const struct slice modes[] = {
        [ISOLATION_NONE] = SLICE("none"), [ISOLATION_NETWORK] = SLICE("network"), [ISOLATION_FULL] = SLICE("full")};
    struct slice rest = slice_of_string(text), mode = slice_cut(&rest, ',');
    bool is_alone = slice_equals(mode, SLICE("best"));

    options->has_isolation = true;
    options->is_best = is_alone || (rest.p && slice_equals(rest, SLICE("best")));
    options->isolation = ISOLATION_NETWORK;
    if (is_alone && !rest.p)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (slice_equals(mode, modes[i]) && (!rest.p || options->is_best)) {
            options->isolation = (enum isolation)i;
            return 0;
        }
    log_error("run: --isolate %s: not one of none, network, full, best, network,best and full,best", text);
    return -EINVAL;
}

/* 0, or -errno after a word in the log. */
static int take_value(struct run_options *options, struct pairing *pairing, int option, const char *value) {
    switch (option) {
    case 'c':
        options->config = value;
        return 0;
    case AS:
        options->identity = value;
        return 0;
    case AUDIT:
        options->audit = value;
        return 0;
    case LEARN:
        options->learn = value;
        return 0;
    case LEASE:
        return add(options->names, LIMIT_LEASES, &options->n_names, value, "--lease");
    case READ:
        return add(options->readable, LIMIT_VIEW_PATHS, &options->n_readable, value, "--read");
    case WRITE:
        return add(options->writable, LIMIT_VIEW_PATHS, &options->n_writable, value, "--write");
    case PROFILE:
        return add_profile(options, value);
    case SECRET:
        return add_secret(options, pairing, value);
    case ISOLATE:
        return read_isolation(options, value);
    default:
        return -EINVAL;
    }
}

/* As run_options_parse. */
static int check(const struct run_options *options, const struct pairing *pairing) {
    if (options->n_profiles != pairing->n_secrets)
        return usage_refuse("run", "each --profile needs one --secret, and each --secret a --profile");
    if (options->n_profiles > 0 && options->config)
        return usage_refuse("run", "--profile stands in place of a configuration; leave one of them out");
    if (options->n_readable + options->n_writable > 0 && options->isolation != ISOLATION_FULL)
        return usage_refuse("run", "--read and --write say what --isolate full leaves visible; add that");
    return *options->argv ? -1 : usage_refuse("run", "no command is given");
}

int run_options_parse(int argc, char **argv, struct run_options *ret) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"as", required_argument, NULL, AS},
        {"lease", required_argument, NULL, LEASE},
        {"audit", required_argument, NULL, AUDIT},
        {"profile", required_argument, NULL, PROFILE},
        {"secret", required_argument, NULL, SECRET},
        {"proxy", no_argument, NULL, PROXY},
        {"isolate", required_argument, NULL, ISOLATE},
        {"read", required_argument, NULL, READ},
        {"write", required_argument, NULL, WRITE},
        {"learn", required_argument, NULL, LEARN},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct pairing pairing = {0};
    int option;

    *ret = (struct run_options){0};
    while ((option = getopt_long(argc, argv, "+:c:", options, NULL)) != -1) {
        if (option == 'h')
            return usage_print(usage);
        if (option == '?' || option == ':')
            return usage_refuse_option(option, argv);
        if (option == PROXY)
            ret->has_proxy = true;
        else if (take_value(ret, &pairing, option, optarg) < 0)
            return EXIT_CREDFD;
    }
    ret->argv = argv + optind;
    return check(ret, &pairing);
}
