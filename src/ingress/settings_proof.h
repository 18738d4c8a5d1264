/*
 * What a front can show beside its address: a secret, a signed assertion, a certificate. Part of
 * ingress/settings_trust.c, apart for its size.
 */
#pragma once

#include "config/document.h"

/* Handlers of config/schema.h; `field` is a struct trust_settings. */
int settings_read_shared_secret(const struct node *node, void *field);
int settings_read_jwt(const struct node *node, void *field);
int settings_read_mtls(const struct node *node, void *field);
