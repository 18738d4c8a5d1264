/*
 * A recipe's file, to a recipe in which everything holds that a role will rely on, and which arrives there as it is; or
 * to one printable line.
 */
#include "base/macros.h"
#include "fuzz.h"
#include "ingress/pairing/recipe_codec.h"
#include "ingress/pairing/recipe_file.h"
#include "ingress/pairing/recipe_request.h"

static void require_requests(const struct recipe *recipe) {
    const struct target target = {.recipe = recipe, .host = "box", .instance.name = SLICE("ann")};
    struct buf request;

    buf_init_secret(&request, RECIPE_REQUEST_MAX);
    if (recipe->session_path)
        REQUIRE(recipe_write_get(&target, recipe->session_path, SLICE("a=1"), &request) == 0);
    for (size_t i = 0; i < recipe->n_exchanges; i++) {
        buf_consume(&request, buf_length(&request));
        REQUIRE(recipe_write_exchange(&target, i, SLICE("a\"\n&"), &request) == 0);
        REQUIRE(memmem(buf_slice(&request).p, buf_length(&request), "\r\n\r\n", 4));
    }
    buf_release(&request);
}

static void require_arrival(const struct recipe *recipe) {
    struct ipc_writer w = recipe_encode(recipe);
    struct ipc_message m = ipc_message_of(ipc_writer_bytes(&w));
    struct recipe arrived;

    REQUIRE(!w.is_failed && recipe_decode(&m, &arrived) == 0);
    REQUIRE(arrived.pairs == recipe->pairs && arrived.n_exchanges == recipe->n_exchanges);
    REQUIRE(arrived.n_cookies == recipe->n_cookies && !arrived.app_head == !recipe->app_head);
    recipe_done(&arrived);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_free_ char *error = NULL;
    struct recipe recipe = {0};
    int r = recipe_parse("f.yaml", "x", slice_of(data, size), &recipe, &error);

    REQUIRE((r == 0) == (error == NULL));
    REQUIRE(!error || strncmp(error, "f.yaml:", 7) == 0);
    for (const char *p = error; p && *p; p++)
        REQUIRE(*p >= 0x20 && *p <= 0x7e);
    if (r < 0)
        return 0;
    REQUIRE(recipe.pairs == (recipe.n_exchanges > 0 && recipe.n_cookies > 0 && recipe.n_accepted > 0));
    REQUIRE(!recipe.app_manifest == !recipe.app_manifest_path);
    require_requests(&recipe);
    require_arrival(&recipe);
    recipe_done(&recipe);
    return 0;
}
