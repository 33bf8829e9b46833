#include "node/net/inlet.h"

#include <criterion/criterion.h>
#include <czmq.h>

static zsock_t *ours, *theirs;
static struct inlet inlet;
static void begin(void)
{
    theirs = zsock_new_router("@inproc://inlet");
    ours = zsock_new_dealer(">inproc://inlet");
    cr_assert_not_null(ours);
    cr_assert_not_null(theirs);
    inlet = inlet_open(zsock_resolve(ours));
}
static void end(void)
{
    zsock_destroy(&ours);
    zsock_destroy(&theirs);
}
TestSuite(inlet, .init = begin, .fini = end, .timeout = 60);

/* Milliseconds that it slept, of at most ms. */
static int64_t slept(int ms)
{
    struct inlet *const one = &inlet;
    const int64_t began = zclock_mono();
    inlets_wait(&one, 1, NULL, 0, ms);
    return zclock_mono() - began;
}

static void call(void)
{
    cr_assert_eq(zmq_send(inlet.socket, "?", 1, ZMQ_DONTWAIT), 1);
    inlet_called(&inlet);
}

/* To whoever called last. */
static void answer(void)
{
    zmsg_t *m = zmsg_recv(theirs);
    cr_assert_not_null(m);
    cr_assert_eq(zmsg_send(&m, theirs), 0);
}

static bool receive(void)
{
    char b;
    const bool got = zmq_recv(inlet.socket, &b, 1, ZMQ_DONTWAIT) == 1;
    if (!got) inlet_emptied(&inlet);
    return got;
}

Test(inlet, an_empty_one_is_slept_on_and_needs_no_call_of_libzmq)
{
    cr_assert(!receive());
    cr_assert(!inlet.may_hold);
    cr_assert_geq(slept(50), 45);
    cr_assert(!inlet.may_hold);
    cr_assert(!inlet_holds(&inlet));
}

Test(inlet, what_comes_while_it_is_slept_on_wakes)
{
    call();
    cr_assert(!receive());
    answer();
    cr_assert_lt(slept(30000), 20000);
    cr_assert(inlet.may_hold);
    cr_assert(receive());
    cr_assert(inlet.may_hold, "there may be another");
    cr_assert(!receive());
    cr_assert(!inlet.may_hold);
}

Test(inlet, what_is_left_unread_is_not_slept_on)
{
    call();
    call();
    answer();
    answer();
    cr_assert_lt(slept(30000), 20000);
    cr_assert(receive());
    cr_assert(inlet_holds(&inlet));
    struct pollfd p = {.fd = inlet.fd, .events = POLLIN};
    cr_assert_eq(poll(&p, 1, 0), 0, "else this test shows nothing");
    cr_assert_lt(slept(30000), 20000, "the descriptor is quiet, the second message is there");
    cr_assert(receive());
    cr_assert(!receive());
}

/* A send takes the news of the message that came before it: the descriptor says no more of it. */
Test(inlet, a_send_that_takes_the_news_does_not_hide_what_came)
{
    call();
    cr_assert(!receive());
    answer();
    struct pollfd p = {.fd = inlet.fd, .events = POLLIN};
    cr_assert_eq(poll(&p, 1, 20000), 1);
    zclock_sleep(20); /* libzmq looks for news in a send only if it has not just done so */
    call();
    cr_assert_eq(poll(&p, 1, 0), 0, "else this test shows nothing");
    cr_assert_lt(slept(30000), 20000);
    cr_assert(receive());
}

Test(inlet, a_descriptor_beside_it_wakes)
{
    struct inlet *const one = &inlet;
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "!", 1), 1);
    cr_assert(!receive());
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    const int64_t began = zclock_mono();
    inlets_wait(&one, 1, &p, 1, 30000);
    cr_assert_lt(zclock_mono() - began, 20000);
    cr_assert_eq(p.revents, POLLIN);
    cr_assert(!inlet.may_hold);
    char b;
    cr_assert_eq(read(ends[0], &b, 1), 1);
    inlets_wait(&one, 1, &p, 1, 1);
    cr_assert_eq(p.revents, 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

Test(inlet, an_error_that_is_not_empty_leaves_it_open)
{
    cr_assert(!receive());
    errno = EINTR;
    inlet_emptied(&inlet);
    cr_assert(inlet.may_hold);
}
