/*
 * What is run for a person, as `dispatch.mint` and `dispatch.start` say it: the command that mints a credential, and
 * how an instance is started and stopped. Part of ingress/settings.c, apart for its size; runs nothing.
 */
#pragma once

#include "config/document.h"
#include "ingress/settings.h"

/* Handlers of config/schema.h; `field` is a struct mint_settings, or a struct start_settings. */
int settings_read_mint(const struct node *node, void *field);
int settings_read_start(const struct node *node, void *field);

/* What was not written. 0 or -ENOMEM. */
int settings_default_mint(struct mint_settings *mint);

void command_settings_done(struct command_settings *command);
void start_settings_done(struct start_settings *start);
