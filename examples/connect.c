/* GETs PATH through the lease NAME and prints the answer: cc connect.c $(pkg-config --cflags --libs libcredfd) */
#include <credfd.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char bytes[65536];
    ssize_t n;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: connect NAME PATH\n");
        return 2;
    }
    int stream = credfd_connect(argv[1]);
    if (stream < 0) {
        (void)fprintf(stderr, "connect: %s: %s\n", argv[1], credfd_strerror(stream));
        return 1;
    }
    (void)dprintf(stream, "GET %s HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n", argv[2]);
    while ((n = read(stream, bytes, sizeof(bytes))) > 0)
        (void)fwrite(bytes, 1, (size_t)n, stdout);
    (void)close(stream);
    return n < 0 || fflush(stdout) != 0;
}
