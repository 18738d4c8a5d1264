/*
 * Memory that is ours and that nobody needs for now: its pages go back to the kernel, and come again, all zero, when they
 * are touched. For large static buffers and for the stack; what is from malloc goes by free.
 */
#pragma once

#include <stddef.h>

/* On a large static buffer: it shares no page with a variable that stays, nor lies among those. */
#define ON_ITS_OWN_PAGES __attribute__((aligned(4096), section(".bss.pages")))

/* The pages that lie in it whole. What is not there, or not mapped, is no fault. */
void pages_give_back(char *memory, size_t n);
