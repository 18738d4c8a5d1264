/*
 * Who may do what with a credential: its rules, and the programs that may dial. Part of egress/settings/settings.c, apart for
 * its size; egress/rules/rule.h decides by them.
 */
#pragma once

#include "config/document.h"

/* Handlers of config/schema.h. `field` is a struct credential, whose lists are freed with it. */
int settings_read_allow(const struct node *node, void *field);
int settings_read_deny(const struct node *node, void *field);
int settings_read_executables(const struct node *node, void *field);
