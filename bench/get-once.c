/*
 * One request through a lease, by a program that does nothing else: what a command does first.
 *
 *     get-once CHANNEL PATH
 *
 * Ends with 0 when the answer begins with a 200. For the benchmark only.
 */
#include <credfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/num.h"

int main(int argc, char **argv) {
    char text[1024];
    uint64_t channel;
    int stream, n;

    if (argc != 3 || num_parse(slice_of_string(argv[1]), INT16_MAX, &channel) < 0)
        return 2;
    stream = credfd_connect_fd((int)channel);
    n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: api.example\r\n\r\n", argv[2]);
    if (stream < 0 || n >= (int)sizeof(text) || send(stream, text, (size_t)n, MSG_NOSIGNAL) != n)
        return 1;
    return recv(stream, text, sizeof(text), 0) < 12 || memcmp(text, "HTTP/1.1 200", 12) != 0;
}
