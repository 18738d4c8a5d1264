#include "fleet/desk/cgroup_place.h"

#include <errno.h>

#include "unit.h"

#define V2 "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1 "31 23 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
#define ROOT "23 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
#define HYBRID "33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define SERVICE "0::/system.slice/credfd-runner.service\n"

static void a_cgroup_is_found_where_it_lies(void **state) {
    static const struct {
        struct slice name;
        const char *self_cgroup, *mountinfo, *path;
        bool is_root;
    } rows[] = {
        {SLICE("a service"), SERVICE, ROOT V2, "/sys/fs/cgroup/system.slice/credfd-runner.service", false},
        {SLICE("hybrid"), "9:name=systemd:/x\n4:memory:/y\n" SERVICE, ROOT V1 HYBRID,
         "/sys/fs/cgroup/unified/system.slice/credfd-runner.service", false},
        {SLICE("the root of a container"), "0::/\n", ROOT V2, "/sys/fs/cgroup", true},
        {SLICE("a bind mount"), "0::/docker/abc/runner\n", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 c rw\n",
         "/sys/fs/cgroup/runner", false},
        {SLICE("the top of a bind mount"), "0::/docker/abc\n", "30 23 0:26 /docker/abc /cg ro - cgroup2 c rw\n", "/cg",
         true},
        {SLICE("without a last newline"), "0::/a", "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw", "/cg/a", false},
        {SLICE("a blank and a backslash in the path"), "0::/a b\\c\n", "30 23 0:26 / /c\\040g\\134 rw - cgroup2 c rw\n",
         "/c g\\/a b\\c", false},
        {SLICE("a colon in the path"), "0::/a:b\n", V2, "/sys/fs/cgroup/a:b", false},
        {SLICE("many tags"), "0::/a\n", "30 23 0:26 / /cg rw shared:1 master:2 unbindable - cgroup2 c rw\n", "/cg/a",
         false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cgroup_place place = {0};

        assert_row(rows[i].name, cgroup_place_find(slice_of_string(rows[i].self_cgroup),
                                                   slice_of_string(rows[i].mountinfo), &place) == 0);
        assert_row(rows[i].name, strcmp(place.path, rows[i].path) == 0);
        assert_row(rows[i].name, place.is_root == rows[i].is_root);
    }
}

static void one_that_is_not_there_is_not_found(void **state) {
    static const struct {
        struct slice name;
        const char *self_cgroup, *mountinfo;
    } rows[] = {
        {SLICE("nothing"), "", ""},
        {SLICE("the first version alone"), "4:memory:/y\n", ROOT V1},
        {SLICE("not mounted"), SERVICE, ROOT V1},
        {SLICE("beside a bind mount"), "0::/docker/abcd\n", "30 23 0:26 /docker/abc /cg ro - cgroup2 c rw\n"},
        {SLICE("above a bind mount"), "0::/docker\n", "30 23 0:26 /docker/abc /cg ro - cgroup2 c rw\n"},
        {SLICE("a line that is cut"), SERVICE, "30 23 0:26 / /cg rw shared:1"},
        {SLICE("no type"), SERVICE, "30 23 0:26 / /cg rw -"},
        {SLICE("too few words"), SERVICE, "30 23\n\n \n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cgroup_place place = {0};

        assert_row(rows[i].name, cgroup_place_find(slice_of_string(rows[i].self_cgroup),
                                                   slice_of_string(rows[i].mountinfo), &place) == -ENOENT);
    }
}

static void a_path_that_is_too_long_is_refused(void **state) {
    static char self_cgroup[PATH_MAX + 8];
    struct cgroup_place place = {0};

    (void)state;
    memset(self_cgroup, 'a', sizeof(self_cgroup) - 1);
    memcpy(self_cgroup, "0::/", 4);
    assert_int_equal(cgroup_place_find(slice_of_string(self_cgroup), SLICE(V2), &place), -ENAMETOOLONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cgroup_is_found_where_it_lies),
        cmocka_unit_test(one_that_is_not_there_is_not_found),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
