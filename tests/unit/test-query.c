#include "wire/query.h"

#include "unit.h"

static void finding_one_parameter(void **state) {
    static const struct {
        struct slice query;
        enum query_presence presence;
        const char *parameter;
    } rows[] = {
        {SLICE(""), QUERY_ABSENT, NULL},
        {SLICE("&"), QUERY_ABSENT, NULL},
        {SLICE("a=b&c=d"), QUERY_ABSENT, NULL},
        {SLICE("x=app_key"), QUERY_ABSENT, NULL},
        {SLICE("x=app_key=y"), QUERY_ABSENT, NULL},
        {SLICE("xapp_key=1&app_keys=2&app_ke=3&appkey=4"), QUERY_ABSENT, NULL},
        {SLICE("app-key=1"), QUERY_ABSENT, NULL},
        {SLICE("data[app_key]=1"), QUERY_ABSENT, NULL},
        {SLICE("%zz=1"), QUERY_ABSENT, NULL},
        {SLICE("app_key%5f=1"), QUERY_ABSENT, NULL},

        {SLICE("app_key=broker-sentinel"), QUERY_ONCE, "app_key=broker-sentinel"},
        {SLICE("a=b&app_key=x&c"), QUERY_ONCE, "app_key=x"},
        {SLICE("app_key"), QUERY_ONCE, "app_key"},
        {SLICE("app_key="), QUERY_ONCE, "app_key="},
        {SLICE("&&app_key=x=y&"), QUERY_ONCE, "app_key=x=y"},
        {SLICE("app_key=%00%26"), QUERY_ONCE, "app_key=%00%26"},
        {SLICE("app_key=a;b=c"), QUERY_ONCE, "app_key=a;b=c"},

        {SLICE("app_key=a&app_key=b"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key=a&app_key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key&x&app_key"), QUERY_AMBIGUOUS, NULL},
        {SLICE("%61pp_key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app%5Fkey=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key=a&%61%70%70%5f%6b%65%79=b"), QUERY_AMBIGUOUS, NULL},
        {SLICE("App_Key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key=a&APP_KEY=b"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key%41=1&%41pp_key"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key[]=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key[0]=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key%5b%5d=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key=a&app_key[x]=b"), QUERY_AMBIGUOUS, NULL},
        {SLICE("a=b;app_key=c"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key=a;app_key=b"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key;x=1"), QUERY_AMBIGUOUS, NULL},
        {SLICE(";app_key"), QUERY_AMBIGUOUS, NULL},
        {SLICE("a;%61pp_key=c"), QUERY_AMBIGUOUS, NULL},
        {SLICE("%00app_key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app%00_key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key%00=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key%00x=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("+app_key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("%20app_key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app_key+=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app.key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app+key=a"), QUERY_AMBIGUOUS, NULL},
        {SLICE("app%20key=a"), QUERY_AMBIGUOUS, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice query = exact_copy(rows[i].query);
        struct slice parameter = SLICE("untouched");

        assert_row(rows[i].query, query_find(query, SLICE("app_key"), &parameter) == rows[i].presence);
        assert_slice(parameter, rows[i].parameter ? rows[i].parameter : "untouched");
        if (rows[i].parameter)
            assert_true(parameter.p >= query.p && parameter.p + parameter.n <= query.p + query.n);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(finding_one_parameter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
