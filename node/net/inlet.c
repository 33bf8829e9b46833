#include "node/net/inlet.h"

#include <assert.h>
#include <errno.h>
#include <zmq.h>

struct inlet inlet_open(void *socket)
{
    struct inlet i = {.socket = socket, .fd = -1, .may_hold = true};
    size_t len = sizeof i.fd;
    int rc = zmq_getsockopt(socket, ZMQ_FD, &i.fd, &len);
    assert(rc == 0); /* it fails for what is no socket */
    (void)rc;
    return i;
}

void inlet_called(struct inlet *i) { i->may_hold = true; }

/* Another errno (EINTR): nothing is known, it is asked again. */
void inlet_emptied(struct inlet *i) { i->may_hold = zmq_errno() != EAGAIN; }

/* Asks libzmq, which takes the news off the descriptor: after a "no" it is the one to wait for. */
bool inlet_holds(struct inlet *i)
{
    int events = 0;
    size_t len = sizeof events;
    if (!i->may_hold) return false;
    if (zmq_getsockopt(i->socket, ZMQ_EVENTS, &events, &len) != 0) return false;
    i->may_hold = (events & ZMQ_POLLIN) != 0;
    return i->may_hold;
}

void inlets_wait(struct inlet *const *inlets, size_t count, struct pollfd *fds, size_t fds_count,
                 int ms)
{
    struct pollfd polled[INLETS_FDS_MAX];
    assert(count + fds_count <= INLETS_FDS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (inlet_holds(inlets[i])) ms = 0;
        polled[i] = (struct pollfd){.fd = inlets[i]->fd, .events = POLLIN};
    }
    for (size_t i = 0; i < fds_count; i++)
        polled[count + i] = fds[i];
    const bool any = poll(polled, (nfds_t)(count + fds_count), ms) > 0;
    for (size_t i = 0; i < count; i++)
        if (any && polled[i].revents != 0) inlets[i]->may_hold = true;
    for (size_t i = 0; i < fds_count; i++)
        fds[i].revents = any ? polled[count + i].revents : 0;
}
