#include "base/weaken.h"

const volatile struct weakened weakened = {.mark = "credfd weakened:", .defence = WEAKEN_NONE};
