#include "fleet/link/machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

#define ZONES "/usr/share/zoneinfo/"

static void keep(char *to, size_t size, struct slice text) {
    (void)snprintf(to, size, "%.*s", SLICE_ARG(text));
}

struct slice machine_find_value(struct slice lines, struct slice name) {
    while (lines.p) {
        struct slice value = slice_cut(&lines, '\n'), found = slice_cut(&value, '=');

        if (!value.p || !slice_equals(found, name))
            continue;
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = slice_of(value.p + 1, value.n - 2);
        return value;
    }
    return SLICE_EMPTY;
}

static void read_release(struct machine *machine) {
    _cleanup_close_ int fd = open("/etc/os-release", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char text[4096];
    ssize_t n = fd >= 0 ? fd_read_all(fd, text, sizeof(text)) : 0;

    if (n > 0)
        keep(machine->os_version, sizeof(machine->os_version),
             machine_find_value(slice_of(text, (size_t)n), SLICE("VERSION_ID")));
}

static const char *name_of_arch(const char *kernels) {
    static const char *const names[][2] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"}, {"i686", "386"}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i][0], kernels) == 0)
            return names[i][1];
    return kernels;
}

/* The link leads to the zone's file, and its name is the rest of that path. */
static void read_timezone(struct machine *machine) {
    char path[256];
    ssize_t n = readlink("/etc/localtime", path, sizeof(path));
    struct slice target = slice_of(path, n > 0 ? (size_t)n : 0);

    for (; target.n > 0; target = slice_from(target, 1))
        if (slice_starts_with(target, SLICE(ZONES))) {
            keep(machine->timezone, sizeof(machine->timezone), slice_from(target, sizeof(ZONES) - 1));
            return;
        }
}

void machine_read(struct machine *ret) {
    struct utsname name;
    struct sysinfo info;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    *ret = (struct machine){.processors = processors > 0 ? (uint64_t)processors : 0};
    tzset(); /* reads its file: later nobody can */
    read_release(ret);
    read_timezone(ret);
    if (sysinfo(&info) == 0)
        ret->memory_mb = (uint64_t)info.totalram * info.mem_unit / (1024 * 1024);
    if (uname(&name) < 0)
        return;
    if (ret->os_version[0] == '\0')
        keep(ret->os_version, sizeof(ret->os_version), slice_of_string(name.release));
    keep(ret->arch, sizeof(ret->arch), slice_of_string(name_of_arch(name.machine)));
    keep(ret->hostname, sizeof(ret->hostname), slice_of_string(name.nodename));
}

/* RFC 3339, with the offset behind it: "+08:00". */
static void format_now(int64_t unix_s, char time_text[static 32], char offset[static 8]) {
    time_t now = (time_t)unix_s;
    char digits[8] = "+0000";
    struct tm tm;
    size_t n;

    time_text[0] = '\0';
    if (localtime_r(&now, &tm))
        (void)strftime(digits, sizeof(digits), "%z", &tm);
    (void)snprintf(offset, 8, "%.3s:%.2s", digits, digits + 3);
    n = localtime_r(&now, &tm) ? strftime(time_text, 32, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    (void)snprintf(time_text + n, 32 - n, "%s", strcmp(offset, "+00:00") == 0 ? "Z" : offset);
}

void machine_write(const struct machine *machine, const struct link_settings *settings, int64_t unix_s,
                   struct json_write *to) {
    char time_text[32], offset[8];
    const struct {
        struct slice name;
        const char *value;
    } texts[] = {
        {SLICE("os"), "linux"},
        {SLICE("os_version"), machine->os_version},
        {SLICE("arch"), machine->arch},
        {SLICE("hostname"), machine->hostname},
        {SLICE("shell"), settings->shell},
        {SLICE("home_dir"), settings->home},
        {SLICE("workspace_root"), settings->workspace},
        {SLICE("username"), settings->username},
        {SLICE("current_time"), time_text},
        {SLICE("timezone"), machine->timezone[0] != '\0' ? machine->timezone : "UTC"},
        {SLICE("utc_offset"), offset},
    };

    format_now(unix_s, time_text, offset);
    json_write_open(to, '{');
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        json_write_text_member(to, texts[i].name, slice_of_string(texts[i].value));
    json_write_number_member(to, SLICE("num_cpu"), machine->processors);
    json_write_number_member(to, SLICE("total_memory_mb"), machine->memory_mb);
    json_write_close(to, '}');
}
