/* simulations/crypto_choice.h - real or stand-in crypto, chosen once for a run.
 *
 * Production code has no switch: the linker's --wrap sends what the simulator's binaries (and only
 * they) call of crypto/ to simulations/crypto_choice.c, which calls libsodium's or the stand-in
 * (crypto_stub.h). What is wrapped is the list in crypto_choice.c; the Makefile reads it from
 * there. What crypto/ builds of wrapped functions follows by itself: node ids, list ids, S, trees,
 * logs, keys from y. A call within one file of crypto/ is not wrapped, so a file's inner function
 * and the function that uses it are wrapped together. */
#ifndef CPIS_SIMULATIONS_CRYPTO_CHOICE_H
#define CPIS_SIMULATIONS_CRYPTO_CHOICE_H

enum crypto_choice { CRYPTO_REAL = 0, CRYPTO_STUB };
/* For the whole process; before anything is signed, hashed or drawn: what one made, the other
 * refuses. Without a call: real. */
void crypto_choose(enum crypto_choice choice);
enum crypto_choice crypto_chosen(void);
const char *crypto_choice_name(enum crypto_choice choice); /* "real", "stub": for reports */
#endif
