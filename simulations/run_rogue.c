#include "simulations/run_state.h"
void rogue_begin(struct run_fault *f) { (void)f; }
void rogue_end(struct run_fault *f) { (void)f; }
