/* node/net/inlet.h - the receiving side of a libzmq socket, as a loop waits on it.
 *
 * libzmq says that something happened by a descriptor (ZMQ_FD), which is readable until the next
 * call on the socket has taken the news - any call, a send too. So a socket can hold a message only
 * if its descriptor was readable or it was called since a receive last found nothing: `may_hold`.
 * Others needn't be asked. zmq_poll asks each of them twice, with several system calls: where a
 * directory dials six others that was a tenth of a lookup's processor time (tests/bench/README.md).
 *
 * Whoever owns the socket keeps its inlet: inlet_called after each call but a receive,
 * inlet_emptied after a receive that found nothing; and reads it while it may hold something.
 * One owner; not thread-safe. Source: zmq_getsockopt(3), ZMQ_FD and ZMQ_EVENTS. */
#ifndef CPIS_NODE_NET_INLET_H
#define CPIS_NODE_NET_INLET_H
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define INLETS_FDS_MAX 80U /* inlets and descriptors together */

struct inlet {
    void *socket; /* libzmq's; borrowed */
    int fd;       /* of ours as long as the socket is open */
    bool may_hold;
};
struct inlet inlet_open(void *socket);
void inlet_called(struct inlet *i);
bool inlet_holds(struct inlet *i);   /* a message is there; libzmq is asked if it may be */
void inlet_emptied(struct inlet *i); /* libzmq's errno is still the receive's */
/* Sleeps until one of them may hold something or one of fds is as it wants, at most ms (-1: for
 * ever). At once if one holds something already. Sets revents of fds as poll(2) does. Both together
 * at most INLETS_FDS_MAX. */
void inlets_wait(struct inlet *const *inlets, size_t count, struct pollfd *fds, size_t fds_count,
                 int ms);
#endif
