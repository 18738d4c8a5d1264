#include "egress/audit/audit_verify.h"

#include <stdio.h>

#include "unit.h"

#define LINES 6

static char lines[LINES][256]; /* a chain: A to F */
static char old[2][32];        /* without a `prev`: a and b */
static char follower[256];     /* of b: c, from which a new chain goes on */
static char found[256];        /* what was told, in words: see tell */

static void make_line(char text[static 256], char name, const char prev[static AUDIT_HASH]) {
    (void)snprintf(text, 256, "{\"time\":\"x\",\"prev\":\"%.64s\",\"id\":\"%c\"}", prev, name);
}

static int make_lines(void **state) {
    char hash[AUDIT_HASH];

    (void)state;
    memcpy(hash, audit_chain_start, AUDIT_HASH);
    for (size_t i = 0; i < LINES; i++) {
        make_line(lines[i], (char)('A' + i), hash);
        audit_hash(slice_of_string(lines[i]), hash);
    }
    for (size_t i = 0; i < ARRAY_LEN(old); i++)
        (void)snprintf(old[i], sizeof(old[i]), "{\"id\":\"%c\"}", (char)('a' + i));
    audit_hash(slice_of_string(old[1]), hash);
    make_line(follower, 'c', hash);
    return 0;
}

static void tell(void *owner, enum audit_finding finding, struct audit_place place) {
    static const char *const names[] = {"sound", "broken", "added",    "anew", "long",
                                        "none",  "old",    "beheaded", "cut",  "headless"};
    size_t n = strlen(found);

    assert_ptr_equal(owner, found);
    (void)snprintf(found + n, sizeof(found) - n, "%s%s %d", n > 0 ? ", " : "", names[finding], (int)place.line);
}

/* One letter for one line; see the table. */
static void step(struct audit_walk *walk, char letter, struct audit_place place) {
    char text[256], hash[AUDIT_HASH];

    switch (letter) {
    case 'a':
    case 'b':
        audit_walk_line(walk, slice_of_string(old[letter - 'a']), AUDIT_OBJECT, place);
        break;
    case 'c':
        audit_walk_line(walk, slice_of_string(follower), AUDIT_OBJECT, place);
        break;
    case 'l':
        audit_walk_long_line(walk, place);
        break;
    case 'n':
        make_line(text, 'n', audit_chain_start);
        audit_walk_line(walk, slice_of_string(text), AUDIT_OBJECT, place);
        break;
    case 'x':
        make_line(text, 'x', "0123456789012345678901234567890123456789012345678901234567890123");
        audit_walk_line(walk, slice_of_string(text), AUDIT_OBJECT, place);
        break;
    case 'h':
        audit_walk_line(walk, SLICE("{\"time\":\"20"), AUDIT_TEXT, place);
        break;
    case 'r':
        audit_walk_line(walk, SLICE("{\"time\":\"20"), AUDIT_REST, place);
        break;
    case 's': /* C without its newline */
        audit_walk_line(walk, slice_of_string(lines[2]), AUDIT_REST, place);
        break;
    case 't': /* C as if it were no object */
        audit_walk_line(walk, slice_of_string(lines[2]), AUDIT_TEXT, place);
        break;
    case 'i': /* what follows half a line */
        audit_hash(SLICE("{\"time\":\"20"), hash);
        make_line(text, 'i', hash);
        audit_walk_line(walk, slice_of_string(text), AUDIT_OBJECT, place);
        break;
    default:
        if (letter >= 'Q') { /* Q is A with another name in it, and so on */
            memcpy(text, lines[letter - 'Q'], sizeof(text));
            *(strrchr(text, '}') - 2) = '!';
            audit_walk_line(walk, slice_of_string(text), AUDIT_OBJECT, place);
        } else {
            audit_walk_line(walk, slice_of_string(lines[letter - 'A']), AUDIT_OBJECT, place);
        }
    }
}

struct row {
    const char *letters, *found;
    unsigned n_faults;
};

static void each_tampering_shows_where_it_is(void **state) {
    static const struct row rows[] = {
        {"", "", 0},
        {"ABCDEF", "", 0},
        {"ABCD", "", 0},                   /* cut off at the end: it cannot be seen */
        {"BCDEF", "headless 1", 0},        /* the beginning was rotated away */
        {"ABDEF", "broken 3", 1},          /* C removed */
        {"AEF", "broken 2", 1},            /* B to D removed */
        {"ABSDEF", "broken 4", 1},         /* C changed */
        {"QBCD", "broken 2", 1},           /* A changed */
        {"ABCT", "", 0},                   /* the last one changed: only its kept hash would show it */
        {"ACBDEF", "added 2, added 3", 2}, /* B and C exchanged */
        {"ABBCD", "added 2", 1},           /* B twice */
        {"ABxCD", "added 3", 1},           /* a stranger */
        {"ABxxCD", "broken 3, broken 4, broken 5", 3},
        {"ABaCD", "added 3", 1},
        {"ABCDa", "none 5", 1},
        {"ABtD", "none 3", 1},
        {"ABtE", "none 3, broken 4", 2},
        {"t", "old 1", 1},
        {"ABCnD", "added 4", 1},
        {"ABCn", "anew 4", 1},
        {"nABCD", "anew 2", 1},
        {"abABC", "old 2, anew 3", 2},
        {"abc", "old 2", 1},
        {"ab", "old 2", 1},
        {"ac", "old 1, broken 2", 2},
        {"ABh", "none 3", 1},
        {"ABhi", "none 3", 1},
        {"ABr", "cut 3", 0},
        {"ABri", "cut 3", 0}, /* over a rotation */
        {"ABs", "cut 3", 0},
        {"As", "broken 2", 1},
        {"ABhCD", "added 3", 1},
        {"ABhx", "none 3, broken 4", 2},
        {"ABln", "long 3", 1},
        {"ABlC", "added 3", 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice name = slice_of_string(rows[i].letters);
        struct audit_walk walk;

        found[0] = '\0';
        audit_walk_init(&walk, tell, found);
        for (size_t at = 0; at < name.n; at++)
            step(&walk, name.p[at], (struct audit_place){.line = at + 1});
        audit_walk_end(&walk);
        if (strcmp(found, rows[i].found) != 0)
            print_error("%s\n", found);
        assert_row(name, strcmp(found, rows[i].found) == 0);
        assert_row(name, walk.n_faults == rows[i].n_faults && walk.n_lines == name.n);
    }
}

/* Where no file stands before it, none can have been rotated away. */
static void a_chain_without_its_beginning_is_a_fault_in_the_only_file(void **state) {
    struct audit_walk walk;

    (void)state;
    for (int first = 0; first < 2; first++) {
        found[0] = '\0';
        audit_walk_init(&walk, tell, found);
        walk.is_unrotated = true;
        for (int i = first; i < LINES; i++)
            step(&walk, (char)('A' + i), (struct audit_place){.line = (uint64_t)(i - first + 1)});
        audit_walk_end(&walk);
        assert_string_equal(found, first == 0 ? "" : "beheaded 1");
        assert_int_equal(walk.n_faults, first);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tampering_shows_where_it_is),
        cmocka_unit_test(a_chain_without_its_beginning_is_a_fault_in_the_only_file),
    };

    return cmocka_run_group_tests(tests, make_lines, NULL);
}
