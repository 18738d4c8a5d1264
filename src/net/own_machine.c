#include "net/own_machine.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/address.h"

static int routes = -EBADF; /* where the kernel is asked */

struct question {
    struct nlmsghdr header;
    struct rtmsg route;
    struct rtattr attribute;
    unsigned char bytes[16]; /* of the address, as many as its family has */
};

struct answer {
    struct nlmsghdr header;
    struct rtmsg route;
};

void own_machine_init(void) {
    routes = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (routes < 0)
        log_warning(
            "no route can be asked for (%s): an address of this machine that stands second in its network is not "
            "known as its own",
            strerror(errno));
}

/* An IPv4 address has one spelling, though IPv6 can carry it. */
static struct address plain(struct address address) {
    struct address carried = {.n = sizeof(carried.in)};

    if (address.any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address.in6.sin6_addr))
        return address;
    carried.in.sin_family = AF_INET;
    memcpy(&carried.in.sin_addr, address.in6.sin6_addr.s6_addr + 12, 4);
    return carried;
}

static bool is_same(const struct address *a, const struct address *b) {
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    return a->any.sa_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
}

static struct question question_about(const struct address *address) {
    static uint32_t number;
    size_t n = address->any.sa_family == AF_INET ? 4 : 16;
    struct question question = {
        .header = {.nlmsg_len = (uint32_t)(offsetof(struct question, bytes) + n),
                   .nlmsg_type = RTM_GETROUTE,
                   .nlmsg_flags = NLM_F_REQUEST,
                   .nlmsg_seq = ++number},
        .route = {.rtm_family = (unsigned char)address->any.sa_family, .rtm_dst_len = (unsigned char)(n * 8)},
        .attribute = {.rta_len = (unsigned short)(sizeof(struct rtattr) + n), .rta_type = RTA_DST},
    };

    memcpy(question.bytes, n == 4 ? (const void *)&address->in.sin_addr : &address->in6.sin6_addr, n);
    return question;
}

/*
 * 1, 0 or -errno. The kernel has answered by the time that the question is sent. Only who administers this network could
 * answer in its place.
 */
static int has_local_route(const struct address *address) {
    struct question question = question_about(address);
    struct answer answer = {.route = {.rtm_type = RTN_UNSPEC}};
    ssize_t n = send(routes, &question, question.header.nlmsg_len, 0);

    while (n >= 0 && answer.header.nlmsg_seq != question.header.nlmsg_seq)
        n = recv(routes, &answer, sizeof(answer), MSG_DONTWAIT); /* the attributes behind it are cut off */
    if (n < 0)
        return -errno;
    return n == sizeof(answer) && answer.header.nlmsg_type == RTM_NEWROUTE && answer.route.rtm_type == RTN_LOCAL;
}

int own_machine_is_peer(int fd) {
    struct address ours = {.n = 0}, theirs = {.n = 0};
    socklen_t n_ours = sizeof(ours.in6), n_theirs = sizeof(theirs.in6);

    if (getsockname(fd, &ours.any, &n_ours) < 0 || getpeername(fd, &theirs.any, &n_theirs) < 0)
        return -errno;
    ours = plain(ours);
    theirs = plain(theirs);
    if (is_same(&ours, &theirs))
        return 1;
    return routes < 0 ? 0 : has_local_route(&theirs);
}
