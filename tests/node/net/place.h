/* tests/node/net/place.h - an empty folder of one's own under build/. */
#ifndef CPIS_TESTS_NODE_NET_PLACE_H
#define CPIS_TESTS_NODE_NET_PLACE_H
void place_make(void); /* asserts */
void place_remove(void);
const char *place_dir(void); /* of this process; relative, without a slash at its end */
#endif
