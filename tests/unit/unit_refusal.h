/*
 * The words of egress/refusal.h for tests that have relay/refusal.h too, whose struct has the same name.
 */
#pragma once

const char *refusal_name(unsigned refusal);
