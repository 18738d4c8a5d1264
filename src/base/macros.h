/*
 * Small compile-time helpers that every room uses. No control flow hides here but scope-bound cleanup.
 */
#pragma once

#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* The structure of type `type` whose member `member` is at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))
/* For large locals that are written before they are read: the compiler would set each to zero, at every call. */
#define _uninitialised_ __attribute__((uninitialized))
#define _fallthrough_ __attribute__((fallthrough))

#define _cleanup_free_ _cleanup_(free_pointer)

void free_pointer(void *pointer_to_pointer);

/* Takes the pointer out of `*pp`, so that its cleanup has nothing left to free. */
#define steal_pointer(pp)                                                                           \
    ({                                                                                              \
        __typeof__(pp) stolen_from_ = (pp);                                                         \
        __typeof__(*stolen_from_) stolen_ = *stolen_from_;                                          \
        *stolen_from_ = NULL;                                                                       \
        stolen_;                                                                                    \
    })
