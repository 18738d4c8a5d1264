#include "base/secret_vault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "unit.h"
#include "unit_fd.h"

#define MANY 600 /* more than two regions hold */

static struct secret *gathered(struct slice bytes) {
    struct secret *s = NULL;
    int fd = -EBADF;

    assert_int_equal(secret_seal(bytes, &fd), 0);
    assert_int_equal(secret_gather(fd, &s), 0);
    return s;
}

/* Regions, by what was told of them. */
static int regions[16];
static unsigned n_regions;

static void told(uint32_t region, int fd) {
    assert_true(region < ARRAY_LEN(regions));
    assert_int_equal(fd >= 0, regions[region] < 0);
    if (fd >= 0) {
        regions[region] = dup(fd);
        n_regions++;
    } else {
        fd_close(&regions[region]);
        n_regions--;
    }
}

static int begin(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(regions); i++)
        regions[i] = -EBADF;
    n_regions = 0;
    secret_vault_tell(told);
    return 0;
}

static void many_lie_in_few_regions(void **state) {
    static struct secret *all[MANY];
    char text[32];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        all[i] = gathered(slice_of(text, (size_t)snprintf(text, sizeof(text), "key-%zu", i)));
    assert_int_equal(n_regions, 3);
    for (size_t i = 0; i < MANY; i++) {
        struct slice expected = slice_of(text, (size_t)snprintf(text, sizeof(text), "key-%zu", i));

        assert_true(slice_equals(secret_view(all[i]), expected));
        assert_true(secret_equals(all[i], expected));
    }
    for (size_t i = 0; i < MANY; i++)
        secret_free(all[i]);
    assert_int_equal(n_regions, 0);
}

static void a_long_one_lies_alone(void **state) {
    static char bytes[LIMIT_SECRET];
    _cleanup_secret_ struct secret *longest = NULL, *longer = NULL;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    longest = gathered(slice_of(bytes, sizeof(bytes)));
    assert_int_equal(n_regions, 0);
    assert_int_equal(secret_place(longest).n, 0);
    longer = gathered(slice_of(bytes, 4096));
    assert_int_equal(secret_place(longer).n, 4096);
    assert_int_equal(secret_view(longest).n, LIMIT_SECRET);
}

static void a_slot_is_wiped_when_its_secret_goes(void **state) {
    struct secret *kept = gathered(SLICE("stays")), *gone = gathered(SLICE("the-key-of-a-task"));
    const char *where = secret_view(gone).p;

    (void)state;
    secret_free(gone);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(where[i], 0);
    assert_slice(secret_view(kept), "stays");
    secret_free(kept);
}

/* Whether a child that does this dies of it. */
static bool kills(void (*touch)(const struct secret *s), const struct secret *s) {
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGSEGV, SIG_DFL);
        touch(s);
        _exit(EXIT_SUCCESS);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS;
}

static void read_it(const struct secret *s) {
    volatile char byte = secret_view(s).p[0];

    (void)byte;
}

static void nobody_inherits_it(void **state) {
    _cleanup_secret_ struct secret *s = gathered(SLICE("key"));

    (void)state;
    assert_true(kills(read_it, s));
}

/* What /proc/self/smaps says of the mapping that holds `at`: its permissions, and its flags. */
static void describe(const char *at, char ret_permissions[static 8], char ret_flags[static 512]) {
    FILE *smaps = fopen("/proc/self/smaps", "re");
    bool is_here = false;
    char line[512];

    assert_non_null(smaps);
    while (fgets(line, sizeof(line), smaps)) {
        char *low = NULL, *high = NULL, permissions[8];

        if (sscanf(line, "%p-%p %7s", (void **)&low, (void **)&high, permissions) == 3) {
            is_here = low <= at && at < high;
            if (is_here)
                memcpy(ret_permissions, permissions, sizeof(permissions));
        } else if (is_here && strncmp(line, "VmFlags:", 8) == 0) {
            memcpy(ret_flags, line, sizeof(line));
        }
    }
    assert_int_equal(fclose(smaps), 0);
}

static void it_is_read_only_and_in_no_core(void **state) {
    _cleanup_secret_ struct secret *s = gathered(SLICE("key"));
    char permissions[8] = "", flags[512] = "";

    (void)state;
    describe(secret_view(s).p, permissions, flags);
    assert_string_equal(permissions, "r--s");
    assert_non_null(strstr(flags, " dd"));                 /* not dumped */
    assert_non_null(strstr(flags, " dc"));                 /* not forked */
    assert_non_null(strstr(flags, " lo"));                 /* locked */
    describe(secret_view(s).p - 4096, permissions, flags); /* its first slot lies at the front */
    assert_string_equal(permissions, "---p");
}

/* As a keeper that is started again: regions and places are all it has. */
static void the_next_process_claims_them(void **state) {
    struct secret *first = gathered(SLICE("first")), *second = gathered(SLICE("second")), *again = NULL;
    struct secret_place place = secret_place(first), none = {.region = 7, .n = 3}, long_one = place;
    int fd = dup(regions[place.region]);
    const char *rest;

    (void)state;
    secret_free(first);
    secret_free(second);
    assert_int_equal(n_regions, 0);
    first = gathered(SLICE("FIRST"));
    second = gathered(SLICE("SECOND"));
    fd_close(&fd);
    fd = dup(regions[secret_place(first).region]);
    place = secret_place(first);
    long_one.n = UINT16_MAX;
    assert_int_equal(secret_vault_adopt(place.region, fd), -EINVAL); /* it is here already */
    assert_int_equal(secret_claim(place, &again), -EINVAL);          /* and somebody has it */
    assert_int_equal(secret_claim(none, &again), -EINVAL);
    assert_int_equal(secret_claim(long_one, &again), -EINVAL);
    fd = dup(regions[place.region]);
    assert_int_equal(secret_vault_adopt(9, fd), 0); /* the same memory, under another number */
    place.region = 9;
    regions[9] = dup(regions[secret_place(first).region]);
    n_regions++;
    assert_int_equal(secret_claim(place, &again), 0);
    assert_slice(secret_view(again), "FIRST");
    rest = secret_view(second).p;
    assert_slice(slice_of(rest, 6), "SECOND");
    secret_vault_settle();
    assert_int_equal(rest[0], 0); /* nobody has claimed it */
    assert_slice(secret_view(again), "FIRST");
    secret_free(again);
    secret_free(first);
    secret_free(second);
    assert_int_equal(n_regions, 0);
}

static void lock_nothing(const struct secret *s) {
    const struct rlimit none = {0, 0};
    struct secret *other = NULL;
    int fd = -EBADF;

    (void)s;
    if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        _exit(EXIT_SUCCESS);
    (void)setrlimit(RLIMIT_MEMLOCK, &none);
    if (secret_seal(SLICE("key"), &fd) < 0 || secret_gather(fd, &other) == -EAGAIN)
        _exit(EXIT_FAILURE); /* refused, as it is to be */
}

static void no_more_than_may_be_locked(void **state) {
    (void)state;
    assert_true(kills(lock_nothing, NULL));
    assert_int_equal(n_regions, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(many_lie_in_few_regions, begin),
        cmocka_unit_test_setup(a_long_one_lies_alone, begin),
        cmocka_unit_test_setup(a_slot_is_wiped_when_its_secret_goes, begin),
        cmocka_unit_test_setup(nobody_inherits_it, begin),
        cmocka_unit_test_setup(it_is_read_only_and_in_no_core, begin),
        cmocka_unit_test_setup(the_next_process_claims_them, begin),
        cmocka_unit_test_setup(no_more_than_may_be_locked, begin),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no memfd_secret(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
