/*
 * What roles are told of the settings, in the form that they are told it in. Pure; what does not fit was refused when
 * the settings were read.
 */
#pragma once

#include "ingress/front/assertion_codec.h"
#include "ingress/front/front.h"
#include "ingress/settings.h"
#include "ingress/steward/steward_codec.h"

void front_of_settings(const struct dispatch_settings *settings, struct front *ret);
void assertion_rules_of_settings(const struct dispatch_settings *settings, struct assertion_rules *ret);
void steward_rules_of_settings(const struct dispatch_settings *settings, struct steward_rules *ret);
