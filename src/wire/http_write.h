/*
 * Serialising heads. The writer puts together a head from parts that have been checked; it refuses, with -EINVAL, any
 * part that could end a line early, so that no caller's mistake can split a message.
 */
#pragma once

#include "base/buf.h"
#include "wire/http_head.h"

/* All return 0, -EINVAL (a byte that must not be there), -ENOBUFS or -ENOMEM; on failure `to` may hold a part. */
int http_write_request_line(struct buf *to, struct slice method, struct slice target);
int http_write_status_line(struct buf *to, unsigned status); /* with our own reason phrase */
int http_write_field(struct buf *to, struct slice name, struct slice value);
int http_write_field_number(struct buf *to, struct slice name, uint64_t value);
int http_write_fields(struct buf *to, const struct http_field *fields, size_t n);
int http_write_head_end(struct buf *to);
