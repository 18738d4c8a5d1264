/*
 * The parts of a doorman's TLS, as the supervisor hands them over: IPC_DOORMAN, one file each, in this order. They take
 * effect together, with the last one; what cannot be used is said in the log, and what was there before stays.
 */
#pragma once

enum tls_part { TLS_PART_CERTIFICATE, TLS_PART_KEY, TLS_PART_CA, TLS_PARTS };
