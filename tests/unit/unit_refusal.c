#include "unit_refusal.h"

#include "egress/refusal.h"

const char *refusal_name(unsigned refusal) {
    return refusal_text((enum refusal)refusal)->name;
}
