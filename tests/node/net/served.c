#include "tests/node/net/served.h"

#include "node/net/folder.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <czmq.h>
#include <sodium.h>
#include <sys/stat.h>

void served_begin(enum node_role role, struct served *ret)
{
    char path[FOLDER_SOCKET_BYTES], data[FOLDER_PATH_BYTES];
    struct rest_keys keys;
    struct drbg seed;
    static const uint8_t root[REST_ROOT_BYTES] = {1};
    cr_assert_geq(sodium_init(), 0);
    zsys_handler_set(NULL);
    place_make();
    (void)umask(077);
    rest_keys_from(root, &keys);
    drbg_keygen(&seed);
    cr_assert_eq(folder_path(place_dir(), FOLDER_DATA, sizeof data, data), CPIS_OK);
    const struct store_conf conf = {.dir = data};
    cr_assert_eq(store_open(&conf, &keys, &seed, &ret->store), CPIS_OK);
    cr_assert_eq(notes_new(stderr, &ret->notes), CPIS_OK);
    cr_assert_eq(folder_socket(place_dir(), path), CPIS_OK);
    cr_assert_eq(control_new(path, &ret->control), CPIS_OK);
    ret->view = store_view(ret->store);
    ret->env = (struct control_env){.dir = place_dir(),
                                    .role = role,
                                    .why_down = "free some space",
                                    .store = ret->store,
                                    .view = &ret->view,
                                    .notes = ret->notes,
                                    .now = 1000,
                                    .wall = 1795500000000};
}

void served_end(struct served *s)
{
    control_free(&s->control);
    store_close(&s->store);
    notes_free(&s->notes);
    place_remove();
}
