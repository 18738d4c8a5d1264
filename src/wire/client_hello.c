#include "wire/client_hello.h"

#include "base/macros.h"
#include "wire/http_char.h"

/* RFC 8446 §5.1 */
#define RECORD_HEAD 5
#define RECORD_MAX (1 << 14)
#define CONTENT_HANDSHAKE 22

/* §4 */
#define MESSAGE_HEAD 4
#define MESSAGE_CLIENT_HELLO 1

#define RANDOM_LENGTH 32

enum extension {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_PRE_SHARED_KEY = 41,
    EXTENSION_ECH_FIRST_DRAFT = 0xfe08,
    EXTENSION_ECH = 0xfe0d, /* RFC 9849 */
    EXTENSION_ESNI = 0xffce,
};

static unsigned byte_at(struct slice in, size_t at) {
    return (unsigned char)in.p[at];
}

static unsigned number_at(struct slice in, size_t at) {
    return byte_at(in, at) << 8 | byte_at(in, at + 1);
}

/*
 * The handshake's bytes without the heads of the records that they are in. Reads beyond `left` make it bad, and then
 * yield zeros. The records themselves have been checked.
 */
struct reader {
    struct slice in;
    size_t at, in_record; /* where the next byte is, and how many this record still has */
    size_t left;          /* of the structure that is being read */
    bool is_bad;
};

static struct reader reader_of(struct slice in, size_t length) {
    return (struct reader){.in = in, .left = length};
}

static unsigned take_byte(struct reader *r) {
    if (r->is_bad || r->left == 0) {
        r->is_bad = true;
        return 0;
    }
    if (r->in_record == 0) {
        r->in_record = number_at(r->in, r->at + 3);
        r->at += RECORD_HEAD;
    }
    r->in_record--;
    r->left--;
    return byte_at(r->in, r->at++);
}

static unsigned take_number(struct reader *r, unsigned bytes) {
    unsigned value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | take_byte(r);
    return value;
}

static void skip(struct reader *r, size_t n) {
    for (size_t i = 0; i < n && !r->is_bad; i++)
        (void)take_byte(r);
}

/* A vector (§3.4) whose length is written in so many bytes: what is behind it is put aside until it is left. */
static size_t enter(struct reader *r, unsigned length_bytes, size_t least) {
    size_t n = take_number(r, length_bytes), behind;

    if (n < least || n > r->left) {
        r->is_bad = true;
        return 0;
    }
    behind = r->left - n;
    r->left = n;
    return behind;
}

/* It was read to its end. */
static void leave(struct reader *r, size_t behind) {
    if (r->left > 0)
        r->is_bad = true;
    r->left = behind;
}

static void skip_vector(struct reader *r, unsigned length_bytes, size_t least, size_t each) {
    size_t behind = enter(r, length_bytes, least);

    if (r->left % each > 0)
        r->is_bad = true;
    skip(r, r->left);
    leave(r, behind);
}

/* RFC 6066 §3: ASCII, no dot at its end. */
static bool is_name(struct slice name) {
    char previous = '.';

    for (size_t i = 0; i < name.n; i++) {
        if (!http_char_is(name.p[i], HTTP_CHAR_HOST) || (name.p[i] == '.' && previous == '.'))
            return false;
        previous = name.p[i];
    }
    return previous != '.';
}

/* One name, of the one kind there is: a second would be a second opinion. */
static const char *read_server_name(struct client_hello *hello, struct reader *r) {
    size_t behind_list = enter(r, 2, 1), behind;

    if (take_byte(r) != 0)
        return "its server_name is of an unknown kind";
    behind = enter(r, 2, 1);
    if (r->left > sizeof(hello->name_text))
        return "its server_name is longer than any host's name";
    for (hello->name_n = 0; r->left > 0 && !r->is_bad; hello->name_n++)
        hello->name_text[hello->name_n] = (char)take_byte(r);
    leave(r, behind);
    if (r->left > 0)
        return "its server_name has more than one name";
    leave(r, behind_list);
    hello->has_name = true;
    return is_name(client_hello_name(hello)) ? NULL : "its server_name is no host's name";
}

static const char *read_extension(struct client_hello *hello, unsigned type, struct reader *r) {
    const char *fault = NULL;

    if (type == EXTENSION_SERVER_NAME)
        fault = read_server_name(hello, r);
    else
        skip(r, r->left);
    if ((type >= EXTENSION_ECH_FIRST_DRAFT && type <= EXTENSION_ECH) || type == EXTENSION_ESNI)
        hello->has_ech = true;
    return fault;
}

/* §4.2: none twice, and a pre_shared_key is the last. */
static const char *read_extensions(struct client_hello *hello, struct reader *r) {
    uint8_t seen[(UINT16_MAX + 1) / 8] = {0};
    size_t behind = enter(r, 2, 0);
    unsigned type = EXTENSION_SERVER_NAME;

    while (r->left > 0 && !r->is_bad) {
        size_t others;
        const char *fault;

        if (type == EXTENSION_PRE_SHARED_KEY)
            return "an extension stands behind its pre_shared_key";
        type = take_number(r, 2);
        if (seen[type / 8] & 1U << type % 8)
            return "an extension is in it twice";
        seen[type / 8] |= (uint8_t)(1U << type % 8);
        others = enter(r, 2, 0);
        fault = read_extension(hello, type, r);
        if (fault && !r->is_bad)
            return fault;
        leave(r, others);
    }
    leave(r, behind);
    return NULL;
}

static const char *read_message(struct client_hello *hello, struct slice in) {
    struct reader reader = reader_of(in, hello->length), *r = &reader;
    const char *fault = NULL;

    skip(r, MESSAGE_HEAD);
    if (take_byte(r) != 3)
        return "its version is none of TLS";
    skip(r, 1 + RANDOM_LENGTH);
    skip_vector(r, 1, 0, 1); /* legacy_session_id */
    skip_vector(r, 2, 2, 2); /* cipher_suites */
    skip_vector(r, 1, 1, 1); /* legacy_compression_methods */
    if (r->left > 0 && !r->is_bad)
        fault = read_extensions(hello, r);
    if (fault)
        return fault;
    return r->is_bad || r->left > 0 ? "its parts do not fit together" : NULL;
}

static enum client_hello_verdict bad(struct client_hello *hello, const char *fault) {
    hello->fault = fault;
    return CLIENT_HELLO_BAD;
}

/* The head of a record, as far as it is there: whether it can be one of a handshake. */
static bool may_be_record(struct slice head) {
    return (head.n < 1 || byte_at(head, 0) == CONTENT_HANDSHAKE) && (head.n < 2 || byte_at(head, 1) == 3);
}

/* The message's own head may be in several records; they are all there. */
static bool learn_length(struct client_hello *hello, struct slice in) {
    struct reader r = reader_of(in, MESSAGE_HEAD);

    if (take_byte(&r) != MESSAGE_CLIENT_HELLO)
        return false;
    hello->length = MESSAGE_HEAD + take_number(&r, 3);
    return true;
}

/* Goes on over the record at `hello->at`. MORE: it is not whole; WHOLE: it was, and the message may be. */
static enum client_hello_verdict read_record(struct client_hello *hello, struct slice in) {
    struct slice rest = slice_from(in, hello->at);
    size_t length, content;

    if (!may_be_record(slice_first(rest, RECORD_HEAD)))
        return hello->at == 0 ? CLIENT_HELLO_NOT_TLS : bad(hello, "something else stands between its records");
    if (rest.n < RECORD_HEAD)
        return CLIENT_HELLO_MORE;
    length = number_at(rest, 3);
    if (length == 0 || length > RECORD_MAX)
        return bad(hello, "one of its records has a length that none may have");
    content = hello->content + MIN_OF(length, rest.n - RECORD_HEAD);
    if (hello->length == 0 && content >= MESSAGE_HEAD && !learn_length(hello, in))
        return bad(hello, "it does not begin with a ClientHello");
    if (hello->length > LIMIT_CLIENT_HELLO)
        return CLIENT_HELLO_LONG;
    if (rest.n - RECORD_HEAD < length)
        return CLIENT_HELLO_MORE;
    hello->at += RECORD_HEAD + length;
    hello->content += length;
    return CLIENT_HELLO_WHOLE;
}

enum client_hello_verdict client_hello_read(struct client_hello *hello, struct slice in) {
    while (hello->length == 0 || hello->content < hello->length) {
        enum client_hello_verdict verdict = read_record(hello, in);

        if (hello->at > LIMIT_CLIENT_HELLO || (verdict == CLIENT_HELLO_MORE && in.n >= LIMIT_CLIENT_HELLO))
            return CLIENT_HELLO_LONG;
        if (verdict != CLIENT_HELLO_WHOLE)
            return verdict;
    }
    if (hello->content > hello->length) /* §5.1: the server must be heard before the next message */
        return bad(hello, "another message stands behind it in its record");
    hello->fault = read_message(hello, in);
    return hello->fault ? CLIENT_HELLO_BAD : CLIENT_HELLO_WHOLE;
}
