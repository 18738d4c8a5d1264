/*
 * Why a secret could not be had: said by the source role in one byte, put into words by the supervisor.
 */
#pragma once

enum source_fault {
    SOURCE_SOUND, /* nothing is wrong; never sent */
    SOURCE_UNREADABLE,
    SOURCE_EMPTY,
    SOURCE_TOO_LONG,
    SOURCE_HAS_NEWLINE, /* inside: one at the end is dropped */
    SOURCE_HAS_CONTROL, /* a byte that no header field can carry */
    SOURCE_NO_OUTPUT,   /* of a command, as all that follow */
    SOURCE_TOO_MUCH_OUTPUT,
    SOURCE_BAD_JSON,
    SOURCE_BAD_SECRET, /* in JSON: absent, or no text */
    SOURCE_BAD_EXPIRY,
    SOURCE_EXPIRED,
    SOURCE_NO_MEMORY, /* of any */
    SOURCE_FAULTS
};

/* What is wrong and how to mend it, for the line that a person reads. */
const char *source_fault_text(enum source_fault fault);
