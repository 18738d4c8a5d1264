"""
The workload: dials streams through the leases that it inherited and hands each to the test that asked.

Takes one byte at a time from the unix socket named in its argument: the number of a lease's descriptor. Answers with
the byte that the lease answered and the stream, if there is one. Ends when the socket does.
"""

import os
import socket
import sys

DIAL = b"\x01"


def main(path: str) -> None:
    tests = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    tests.connect(path)
    leases: dict[int, socket.socket] = {}
    while number := tests.recv(1):
        lease = leases.setdefault(number[0], socket.socket(fileno=os.dup(number[0])))
        lease.send(DIAL)
        answer, streams, _, _ = socket.recv_fds(lease, 16, 4)
        socket.send_fds(tests, [answer[:1]], streams)
        for stream in streams:
            os.close(stream)


if __name__ == "__main__":
    main(sys.argv[1])
