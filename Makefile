# One non-recursive Makefile. Objects mirror the tree under build/$(MODE)/.
#   make [MODE=release|debug|asan] [V=1] all|test|demo|sim|emulate|check-asan|coverage|vectors|fuzz|bench-lookup|lint|install|deb|...
MODE  ?= release
B     := build/$(MODE)
G     := build/gen
WARN  := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wvla \
         -Wswitch-enum -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wformat=2 -Werror
HARD  := -fstack-protector-strong -fno-common -ffunction-sections -ffile-prefix-map=$(CURDIR)=. -fPIE
STD   := -std=c11 -D_XOPEN_SOURCE=700 -I. -isystem $(G)
SAN_release :=
SAN_debug   :=
SAN_asan    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_coverage := --coverage
SAN_fuzz    := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_release := -O2 -D_FORTIFY_SOURCE=2
OPT_debug   := -O0
OPT_asan    := -O1
OPT_fuzz    := -O1 -w
OPT_coverage := -O0
FLAGS := $(STD) $(WARN) $(HARD) -g $(OPT_$(MODE)) $(SAN_$(MODE)) $(CFLAGS)
LINK  := $(SAN_$(MODE)) -pie -Wl,-z,relro,-z,now $(LDFLAGS)
Q     := $(if $(V),,@)

# --- what there is, folder by folder: a new file is found by standing in its folder ---
CRYPTO_SRC  := $(sort $(wildcard crypto/*.c))
PROTO_SRC   := $(sort $(wildcard proto/*.c))
STORAGE_SRC := $(sort $(wildcard storage/*.c))
CORE_SRC    := $(sort $(wildcard node/core/*.c))
NET_SRC     := $(sort $(wildcard node/net/*.c))
FEED_SRC    := $(sort $(wildcard node/feed/*.c))
CLI_SRC     := $(sort $(wildcard node/cli/*.c))
HTTP_SRC    := $(sort $(wildcard node/http/*.c))
SIM_SRC     := $(sort $(wildcard simulations/*.c))
TEST_SRC    := $(sort $(wildcard tests/*.c tests/crypto/*.c tests/proto/*.c tests/storage/*.c tests/node/core/*.c \
                 tests/node/net/*.c tests/node/feed/*.c tests/node/cli/*.c tests/node/http/*.c \
                 tests/simulations/*.c tests/conformance/*.c))
WRAP_MEMORY := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
# memory refused within nodes' steps: tests/fail_malloc.h
WRAP_STEPS  := -Wl,--wrap=free,--wrap=arena_take,--wrap=arena_copy,--wrap=node_step
FAULT_SRC   := $(sort $(wildcard tests/faults/*.c))
VECTORS_SRC := $(sort $(wildcard tests/conformance/vectors*.c))
FUZZ        := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(filter-out tests/fuzz/fuzz_replay.c,$(wildcard tests/fuzz/fuzz_*.c))))
# what a target needs beside node/feed and the libraries of all
FUZZ_SRC_bearer  := $(addprefix node/http/,bearer.c callers_conf.c callers_key.c callers_user.c) node/net/json_memory.c
FUZZ_SRC_fhir    := $(sort $(wildcard node/http/fhir*.c)) $(addprefix node/http/,ask.c exchange.c form.c) node/net/json_memory.c
FUZZ_LIBS_fhir   := -ljansson
FUZZ_LIBS_bearer := -lcjose -ljansson -lconfig
HISTORY_SRC := $(sort $(filter-out tests/fuzz/fuzz_%,$(wildcard tests/fuzz/*.c)))
DIRS        := crypto storage proto node simulations tests
ATTACK_SRC  := $(sort $(filter-out tests/conformance/attack/puppet%,$(wildcard tests/conformance/attack/*.c)))
PUPPET_SRC  := $(sort $(wildcard tests/conformance/attack/puppet*.c))
MAINS       := node/cli/main.c simulations/main.c tests/conformance/vectors_main.c tests/conformance/attack/main.c

GEN_SRC  := $(G)/proto/cpis.pb-c.c
PURE_SRC := $(CRYPTO_SRC) $(PROTO_SRC) $(CORE_SRC)
LIB_SRC  := $(PURE_SRC) $(STORAGE_SRC)
obj       = $(patsubst %.c,$(B)/%.o,$(filter-out $(MAINS),$(1)))
GEN_OBJ  := $(B)/gen/proto/cpis.pb-c.o
# an archive: a program is linked with what it uses, no more
LIB      := $(B)/libcpis.a
NODE     := $(call obj,$(NET_SRC) $(FEED_SRC) $(CLI_SRC))
BIN      := $(B)/cpis $(B)/cpis-web

# In the simulator's binaries the costly calls of crypto/ go through simulations/crypto_choice.c: what
# it names behind WRAP( or WRAP_VOID( the linker wraps. `make lint` shows that cpis has none of it.
SIM_WRAP := $(shell sed -n 's/^WRAP[_VOID]*.\([a-z_0-9]*\),.*/-Wl,--wrap=\1/p' simulations/crypto_choice.c)

CORE_LIBS := -lsodium -lprotobuf-c -llmdb
FEED_LIBS := -lcsv -lexpat
NODE_LIBS := -lczmq -lzmq -ljansson -lconfig -lseccomp $(FEED_LIBS)
HTTP_LIBS := $(NODE_LIBS) -lmicrohttpd -lgnutls -lcjose -loath -lqrencode -lcurl
TEST_LIBS := -lcriterion $(HTTP_LIBS)

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: all
all: $(BIN) $(B)/cpis-sim $(B)/cpis-vectors
.PHONY: sim
sim: deps
	@$(MAKE) --no-print-directory MODE=$(MODE) $(B)/cpis-sim

$(LIB): $(call obj,$(LIB_SRC)) $(GEN_OBJ)
	@echo "  AR   $@"; rm -f $@
	$(Q)ar rcs $@ $^
$(B)/libnet.a: $(call obj,$(NET_SRC))
	@echo "  AR   $@"; rm -f $@
	$(Q)ar rcs $@ $^
$(B)/cpis: $(B)/node/cli/main.o $(NODE) $(LIB)
	$(call link,$(NODE_LIBS) $(CORE_LIBS))
$(B)/libnode.a: $(NODE)
	@echo "  AR   $@"; rm -f $@
	$(Q)ar rcs $@ $^
# what speaks HTTP and SMTP, and their libraries: apart from the process that holds a node's keys
$(B)/libhttp.a: $(call obj,$(HTTP_SRC))
	@echo "  AR   $@"; rm -f $@
	$(Q)ar rcs $@ $^
$(B)/cpis-web: $(B)/node/cli/main.o $(call obj,$(HTTP_SRC)) $(B)/libnode.a $(LIB)
	$(call link,$(HTTP_LIBS) $(CORE_LIBS))
$(B)/cpis-sim: $(B)/simulations/main.o $(call obj,$(SIM_SRC)) $(LIB)
	$(call link,$(SIM_WRAP) -ljansson -lconfig $(CORE_LIBS))
$(B)/cpis-vectors: $(B)/tests/conformance/vectors_main.o $(call obj,$(VECTORS_SRC)) $(LIB)
	$(call link,-ljansson $(CORE_LIBS))
# a directory in an attacker's hands: the node, with what it sends going through the test's hands
$(B)/puppet: $(B)/node/cli/main.o $(NODE) $(call obj,$(PUPPET_SRC)) $(LIB)
	$(call link,-Wl$(comma)--wrap=transport_new$(comma)--wrap=transport_send$(comma)--wrap=inlets_wait $(NODE_LIBS) $(CORE_LIBS))
# the clocks of a program that is to be attacked, by LD_PRELOAD
$(B)/clock.so: tests/faults/clock.c
	@echo "  LD   $@"; mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -shared -fPIC -o $@ $<
$(B)/conformance: $(B)/tests/conformance/attack/main.o $(call obj,$(ATTACK_SRC)) $(B)/libnode.a $(LIB)
	$(call link,$(NODE_LIBS) $(CORE_LIBS))
$(B)/test_all: $(call obj,$(TEST_SRC) $(SIM_SRC) $(FEED_SRC)) $(B)/libhttp.a $(B)/libnode.a $(B)/libnet.a $(LIB)
	$(call link,$(WRAP_MEMORY) $(WRAP_STEPS) $(SIM_WRAP) $(TEST_LIBS) $(CORE_LIBS))
$(B)/libsim.a: $(call obj,$(SIM_SRC))
	@echo "  AR   $@"; rm -f $@
	$(Q)ar rcs $@ $^
FUZZ_WITH := $(call obj,$(HISTORY_SRC) $(FEED_SRC) node/net/chain_file.c node/net/folder.c) $(B)/libsim.a $(LIB)
FUZZ_LIBS := $(SIM_WRAP) $(FEED_LIBS) -ljansson -lconfig $(CORE_LIBS)
$(FUZZ:%=$(B)/replay_%): $(B)/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/fuzz_replay.o $(FUZZ_WITH)
	$(call link,$(FUZZ_LIBS_$*) $(FUZZ_LIBS))
$(FUZZ:%=build/fuzz/fuzz_%): build/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o $(FUZZ_WITH)
	$(call link,-fsanitize=fuzzer $(FUZZ_LIBS_$*) $(FUZZ_LIBS))
$(foreach f,$(FUZZ),$(eval $(B)/replay_$(f) build/fuzz/fuzz_$(f): $(call obj,$(FUZZ_SRC_$(f)))))

comma := ,
define link
	@echo "  LD   $@"; mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(1)
endef
$(B)/%.o: %.c Makefile | $(G)/proto/cpis.pb-c.h
	@echo "  CC   $<"; mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) -MMD -MP -c -o $@ $<
$(GEN_OBJ): $(GEN_SRC) Makefile
	@echo "  CC   $<"; mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(HARD) -g $(OPT_$(MODE)) $(SAN_$(MODE)) $(CFLAGS) -c -o $@ $<
$(G)/proto/cpis.pb-c.h $(GEN_SRC) &: proto/cpis.proto
	@echo "  PBC  $<"; mkdir -p $(G)
	$(Q)protoc-c --c_out=$(G) $<

$(B)/bench_kernel: $(B)/tests/bench/bench_kernel.o $(call obj,$(SIM_SRC)) $(LIB)
	$(call link,$(SIM_WRAP) -ljansson -lconfig $(CORE_LIBS))
$(B)/bench_feed: $(B)/tests/bench/bench_feed.o $(call obj,$(FEED_SRC)) $(LIB)
	$(call link,$(FEED_LIBS) $(CORE_LIBS))
# the benches' own wraps are of libsodium's calls, the simulator's of crypto/'s
SODIUM_WRAP := $(shell sed -n 's/^COUNTED[_BY]*.\([a-z_0-9]*\),.*/-Wl,--wrap=\1/p' tests/bench/sodium_count.c)
FIGURE_OBJ := $(call obj,$(addprefix tests/bench/,figure.c timing.c process.c))
BENCH_OBJ := $(FIGURE_OBJ) $(call obj,$(addprefix tests/bench/,frames.c operation.c probe.c sodium_count.c))
$(B)/bench_guard: $(B)/tests/bench/bench_guard.o $(BENCH_OBJ) $(call obj,$(FEED_SRC)) $(B)/libsim.a $(LIB)
	$(call link,$(SODIUM_WRAP) $(SIM_WRAP) $(FEED_LIBS) -ljansson -lconfig $(CORE_LIBS))
$(B)/bench_primitives: $(B)/tests/bench/bench_primitives.o $(B)/tests/bench/echo.o $(BENCH_OBJ) $(LIB)
	$(call link,$(SODIUM_WRAP) -lzmq $(CORE_LIBS))
$(B)/bench_machines: $(B)/tests/bench/bench_machines.o $(BENCH_OBJ) $(B)/libsim.a $(LIB)
	$(call link,-Wl$(comma)--wrap=node_step $(SODIUM_WRAP) $(SIM_WRAP) -ljansson -lconfig $(CORE_LIBS))
$(B)/bench_load: $(B)/tests/bench/bench_load.o $(FIGURE_OBJ) $(B)/libnet.a $(LIB)
	$(call link,$(NODE_LIBS) $(CORE_LIBS))
$(B)/bench_peers: $(B)/tests/bench/bench_peers.o $(B)/tests/bench/frames.o $(FIGURE_OBJ) $(LIB)
	$(call link,-lzmq $(CORE_LIBS))
# the one that speaks to a database, which is no part of what is compared with it
$(B)/bench_central: $(B)/tests/bench/bench_central.o $(FIGURE_OBJ) $(LIB)
	$(call link,-lpq -lgnutls $(CORE_LIBS))
$(B)/bench_sizes: $(B)/tests/bench/bench_sizes.o $(FIGURE_OBJ) $(B)/libsim.a $(B)/libnet.a $(LIB)
	$(call link,$(SIM_WRAP) $(NODE_LIBS) $(CORE_LIBS))
$(B)/bench_workers: $(B)/tests/bench/bench_workers.o $(FIGURE_OBJ) $(B)/libsim.a $(B)/libnet.a $(LIB)
	$(call link,$(SIM_WRAP) $(NODE_LIBS) $(CORE_LIBS))
$(B)/bench_lookup: $(B)/tests/bench/bench_lookup.o $(B)/tests/bench/timing.o $(B)/libnet.a $(LIB)
	$(call link,$(NODE_LIBS) $(CORE_LIBS))
$(B)/bench_web: $(B)/tests/bench/bench_web.o $(B)/tests/bench/timing.o $(B)/libnet.a $(LIB)
	$(call link,$(NODE_LIBS) -lcurl -lpthread $(CORE_LIBS))
$(B)/receiver: $(B)/tests/e2e/receiver.o $(B)/tests/faults/clock.o
	$(call link,-ljansson -lsodium -lgnutls)
# cpis as a later minor version might be; what stands beside it is today's
$(B)/next/cpis: $(B)/node/cli/main.o $(B)/tests/e2e/next_minor.o $(NODE) $(LIB) | $(B)/cpis-web
	@mkdir -p $(@D) && cp $(B)/cpis-web $(@D)
	$(call link,-Wl$(comma)--wrap=transport_send $(NODE_LIBS) $(CORE_LIBS))
# who watches the lines between nodes; a directory whose replies do not wait for their time
$(B)/line_relay: $(B)/tests/e2e/line_relay.o
	$(call link,)
$(B)/line_test: $(B)/tests/e2e/line_test.o $(LIB)
	$(call link,-lm $(CORE_LIBS))
$(B)/no_release/cpis: $(B)/node/cli/main.o $(B)/tests/e2e/no_release.o $(NODE) $(LIB) | $(B)/cpis-web
	@mkdir -p $(@D) && cp $(B)/cpis-web $(@D)
	$(call link,-Wl$(comma)--wrap=cover_send $(NODE_LIBS) $(CORE_LIBS))
$(B)/doctor_log: $(B)/tests/e2e/doctor_log.o $(B)/libnet.a $(LIB)
	$(call link,$(NODE_LIBS) $(CORE_LIBS))
$(B)/wan_probe: $(B)/tests/e2e/wan_probe.o $(call obj,$(SIM_SRC)) $(LIB)
	$(call link,$(SIM_WRAP) -ljansson -lconfig $(CORE_LIBS))
$(B)/wan: $(B)/tests/e2e/wan.o $(call obj,$(SIM_SRC)) $(LIB)
	$(call link,$(SIM_WRAP) -ljansson -lconfig $(CORE_LIBS))
$(B)/make_chain: $(B)/tests/bench/make_chain.o $(call obj,$(NET_SRC)) $(LIB)
	$(call link,$(NODE_LIBS) $(CORE_LIBS))
# cpis and cpis-web with tests/faults in front of libc, LMDB and libzmq: it dies, and the disk fails, where it is told to
$(B)/faults/cpis: $(B)/node/cli/main.o $(call obj,$(FAULT_SRC)) $(NODE) $(LIB)
	$(call link,$(WRAP_MEMORY) $(NODE_LIBS) $(CORE_LIBS))
$(B)/faults/cpis-web: $(B)/node/cli/main.o $(call obj,$(FAULT_SRC)) $(call obj,$(HTTP_SRC)) $(B)/libnode.a $(LIB)
	$(call link,$(WRAP_MEMORY) $(HTTP_LIBS) $(CORE_LIBS))
# The main job, on real processes: fails if any of its eight stories fails.
.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/demo.sh
# An authority's inbox on real processes; CPIS_SCHEMAS=DIR has xmllint validate message 05.
.PHONY: inbox
inbox: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/inbox.sh
# Real processes killed at random moments of a lookup: one record each, no false no.
.PHONY: kills
kills: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/kills.sh $(ROUNDS)
# Logs and evidence of real processes: an honest set acquitted, three doctored ones convicted.
.PHONY: audit
audit: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/doctor_log && CPIS_BIN=build/release/cpis tests/e2e/audit.sh
# The life of every key on real processes, under lookups: epochs, rotation, revocation, roots, what is lost.
.PHONY: keys
keys: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/keys.sh
# Each role and each command that keeps something dies at every point at which it keeps or sends: by kill -9, or as at a
# power cut, where only what was synced is still there. ROLES="T001 D01 Q01" POINTS=REGEX chooses.
FAULTS := build/release/faults/cpis build/release/faults/cpis-web build/release/receiver
.PHONY: crash-points
crash-points: deps
	@$(MAKE) --no-print-directory MODE=release $(FAULTS) && ACTION=kill tests/e2e/crash_commands.sh && ACTION=kill tests/e2e/crash_points.sh
.PHONY: power-cut
power-cut: deps
	@$(MAKE) --no-print-directory MODE=release $(FAULTS) && for a in power some; do ACTION=$$a tests/e2e/crash_commands.sh && ACTION=$$a tests/e2e/crash_points.sh || exit 1; done
# Stories around real processes (directories lost, clocks off, 72 hours dark, ...), and a disk that is full, read-only or fails
# at each write of each role.
.PHONY: faults
faults: deps
	@$(MAKE) --no-print-directory MODE=release $(FAULTS) && tests/e2e/faults.sh
.PHONY: disk-faults
disk-faults: deps
	@$(MAKE) --no-print-directory MODE=release $(FAULTS) && for a in full readonly io; do ACTION=$$a tests/e2e/crash_points.sh || exit 1; done
# Each node in a network namespace of its own; the network between them is cut, one way or both, flaps, loses and delays. As root.
.PHONY: partitions
partitions: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/wan build/release/wan_probe && tests/e2e/partitions.sh
# Everything at once for SECONDS=300, with clocks that go ten times as fast.
.PHONY: soak
soak: deps
	@$(MAKE) --no-print-directory MODE=release $(FAULTS) && tests/e2e/soak.sh $(SECONDS)
# An authority's life (born, renumbered, transferred) and a practice's list, killed and taken up.
.PHONY: authority
authority: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/authority.sh
# A watched folder: a large file, while what takes it in is killed again and again.
.PHONY: feed
feed: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/feed.sh
# Notifications told to a receiver that fails, dies and comes back, by a process that is killed again and again.
.PHONY: deliver
deliver:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=openssl
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/receiver && CPIS_BIN=build/release/cpis tests/e2e/deliver.sh
# A system asks in FHIR over TLS: flags, histories, batches, while authorities, directories and the node go away.
.PHONY: fhir
fhir:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES="openssl curl"
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/fhir.sh
# Which alert rules fire, and which do not.
.PHONY: alerts
alerts:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=prometheus
	@promtool check rules node/packaging/alerts.yml && promtool test rules node/packaging/alerts_test.yml
# A query node's HTTP: FHIR over TLS, three naive clients, while processes are killed and come back.
.PHONY: web
web:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES="openssl curl"
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/web.sh
# What browsers get of the pages: the NHS design system and our own, from node/http/web, under names that hold their
# hashes. It alone needs npm: without it all else builds and runs, and a node says that it has no pages.
.PHONY: pages
pages: build/web/manifest.json
build/web/manifest.json: build/npm/installed node/http/web/build.mjs $(wildcard node/http/web/src/*)
	@node node/http/web/build.mjs build/npm/node_modules/nhsuk-frontend build/web
build/npm/installed: NPM_ARGS := --omit=dev
build/npm/installed build/npm-browser/installed: node/http/web/package.json node/http/web/package-lock.json
	@command -v npm >/dev/null || { echo "the pages need npm to be built (apt-get install npm); all else works without" >&2; exit 1; }
	@echo "  NPM  $(@D)"; mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && npm ci $(NPM_ARGS) --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null && touch installed
# Every page in a real browser, at two widths: what people do, axe, screenshots in build/screenshots.
.PHONY: browser
browser: pages build/npm-browser/installed
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=chromium
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web && CPIS_BIN=build/release/cpis tests/e2e/browser.sh
# Nodes upgraded one after the other, and back, while lookups go on; OLD=PATH: from another build of cpis.
.PHONY: rolling
rolling: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/next/cpis && tests/e2e/rolling.sh $(OLD)
# What who watches the lines between nodes can tell of a look, with cover_traffic and without.
.PHONY: cover
cover: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/line_relay build/release/line_test build/release/no_release/cpis && CPIS_BIN=build/release/cpis tests/e2e/cover.sh $(LOOKS)
# A scenario with real processes and in virtual time, compared within stated bounds; a WAN's delays, when root.
.PHONY: emulate
emulate: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/cpis-sim build/release/wan_probe && tests/e2e/emulate.sh
# A small federation with all faults on: 200 seeds, and 100 that are others every day.
.PHONY: sweep
sweep: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis-sim
	@today=$$(($$(date +%s) / 86400 * 100)); for seeds in 1..200 $$today..$$((today + 99)); do \
	  build/release/cpis-sim sweep small --seeds $$seeds --jobs 2 >build/sweep-$$seeds.jsonl || exit 1; done
# Bugs planted in a copy, each of which a sweep must find within SEEDS=10 seeds.
.PHONY: planted
planted:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=patch
	@$(MAKE) --no-print-directory MODE=release build/release/cpis-sim && tests/e2e/planted.sh
# How fast the simulator is, beside its kernel and codec, and how it grows: ARGS=--json for a program.
.PHONY: bench-sim
bench-sim: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis-sim build/release/bench_kernel && tests/bench/bench_sim.sh $(ARGS)
# How fast files of plans are read and checked, and in how much memory: ARGS=--json for a program.
.PHONY: bench-feed
bench-feed: deps
	@$(MAKE) --no-print-directory MODE=release build/release/bench_feed && build/release/bench_feed $(ARGS)
.PHONY: bench-lookup
bench-lookup: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/bench_lookup && tests/bench/bench_lookup.sh
# Lookups while authorities publish 5,000 plans, and one directory's evaluations a second, with `workers` and without; 3 minutes.
.PHONY: bench-publish
bench-publish: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/bench_load build/release/bench_workers && tests/bench/bench_publish.sh
# What HTTP adds to a lookup, beside refused traffic and idle connections.
.PHONY: bench-web
bench-web:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=openssl
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/bench_web && tests/bench/bench_web.sh
# Lookups, their steps and floor, lists, starts, memory in one run: a table, and build/bench/results.json; under 5 minutes.
BENCHES := $(addprefix build/release/,cpis cpis-web bench_primitives bench_machines bench_sizes bench_load bench_feed make_chain)
.PHONY: bench
bench: deps
	@$(MAKE) --no-print-directory MODE=release $(BENCHES) && tests/bench/bench.sh
# A lookup beside what people would use instead, as ratios of one run: a table, and build/bench/compare.json; ARGS=--json for a program.
COMPARES := $(addprefix build/release/,cpis cpis-web bench_primitives bench_machines bench_load bench_peers bench_central)
.PHONY: bench-compare
bench-compare:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES="postgresql-15 libpq-dev openssl"
	@$(MAKE) --no-print-directory MODE=release $(COMPARES) && tests/bench/bench_compare.sh $(ARGS)
# What grows with authorities, plans, lookups in flight, directories and key epochs, with fitted exponents: tables, and build/bench/growth.json;
# some 4 minutes. PLANS_MAX=10000000 for a directory of so many, LOOKUPS=100, ONLY="flight directories".
.PHONY: bench-growth
bench-growth:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=eatmydata # a store is filled without waiting for the disk
	@$(MAKE) --no-print-directory MODE=release $(BENCHES) && tests/bench/bench_growth.sh
# What a query node's processor time goes into, as a picture: build/bench/flame.svg; FLIGHT=16, CPIS_BIN=FILE for another build's.
.PHONY: bench-flame
bench-flame:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=linux-perf
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/bench_load && tests/bench/flame.sh
# Eleven fixed operations against tests/bench/guard.txt: instructions within 3 %, libsodium's costly calls; UPDATE=1 writes it anew.
.PHONY: bench-guard
bench-guard:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=valgrind
	@$(MAKE) --no-print-directory MODE=release build/release/bench_guard && UPDATE=$(UPDATE) tests/bench/bench_guard.sh
# A register of national size and age: made, offered, caught up with; VERSIONS=500 NODES=160.
.PHONY: bench-chain
bench-chain: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/make_chain && tests/bench/bench_chain.sh
# `test` installs what is missing, then builds and runs everything; Criterion's Synthesis line is the last.
.PHONY: test
test: deps
	@$(MAKE) --no-print-directory MODE=$(MODE) test-built
.PHONY: test-built
test-built: $(B)/test_all $(FUZZ:%=$(B)/replay_%) $(B)/cpis-vectors $(BIN) $(B)/cpis-sim
	@$(foreach f,$(FUZZ),$(B)/replay_$(f) tests/fuzz/corpus/$(f)/* &&) true
	@CPIS_BIN=$(B)/cpis CPIS_SIM_BIN=$(B)/cpis-sim $(B)/test_all --timeout 120 $(if $(FILTER),--filter '$(FILTER)')

# Criterion 2.4.1 counts a leaking test as passed: so sanitizers log to files, and any file fails.
.PHONY: check-asan
check-asan:
	@rm -rf build/asan/san && mkdir -p build/asan/san
	@ASAN_OPTIONS=log_path=$(CURDIR)/build/asan/san/r UBSAN_OPTIONS=print_stacktrace=1:log_path=$(CURDIR)/build/asan/san/u \
	  $(MAKE) MODE=asan test-built; rc=$$?; \
	  set -- build/asan/san/*; [ ! -e "$$1" ] || { head -n 40 "$$@"; rc=1; }; exit $$rc
# Lines and branches that the tests reach, by folder; FILTER='@(codec|lookup)/*' for those suites alone.
.PHONY: coverage
coverage:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES=gcovr
	@mkdir -p build/coverage && find build/coverage -name '*.gcda' -delete
	@$(MAKE) --no-print-directory MODE=coverage test-built
	@tests/coverage.sh
# The attacks against real processes of TARGET, ARGS=--list names them: tests/conformance/README.md.
.PHONY: conformance
conformance: deps
	@$(MAKE) --no-print-directory MODE=release build/release/cpis build/release/cpis-web build/release/puppet build/release/conformance build/release/clock.so
	@tests/conformance/conformance.sh $(or $(TARGET),build/release/cpis) $(ARGS)
# All that a query node receives in many lookups, searched for pieces of other children's entries.
.PHONY: harvest
harvest:
	@CPIS_HARVEST=$(or $(LOOKUPS),10000) $(MAKE) --no-print-directory conformance ARGS='--only "group 4"'
.PHONY: vectors
vectors: $(B)/cpis-vectors
	@$(B)/cpis-vectors $(or $(FILES),$(sort $(wildcard tests/vectors/*.json)))
# All targets, or FUZZ="codec csv", SECONDS of each one's time; what is found stays in build/fuzz/found.
# `make fuzz-merge` takes into the tree's corpora what of the runs' corpora reaches further.
.PHONY: fuzz fuzz-merge
fuzz fuzz-merge:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES="clang-14 libclang-rt-14-dev"
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang-14 $(FUZZ:%=build/fuzz/fuzz_%)
	@tests/fuzz/fuzz.sh $@ $(or $(SECONDS),60) $(FUZZ)

SOURCES := $(sort $(shell find $(DIRS) -name '*.[ch]'))
.PHONY: format
format:
	@clang-format-14 -i $(SOURCES)
.PHONY: format-check
format-check:
	@clang-format-14 --dry-run -Werror $(SOURCES)

# lint: static analysis; every header compiles alone; the architecture, read from what was built.
# Who may include whom: folder=itself|what lies below it.
ARROWS := 'crypto=crypto' 'proto=proto|crypto' 'storage=storage|proto|crypto' \
          'node/core=node/core|proto|crypto' 'node/net=node/(net|core)|storage|proto|crypto' \
          'node/feed=node/(feed|core)|storage|proto|crypto' 'node/http=node/(http|cli|feed|core|net)|proto|crypto' 'simulations=simulations|node/core|storage|proto|crypto'
# The one place that may include a foreign header: header=place.
DOORS  := 'lmdb\.h=storage/kv\.c' 'sodium\.h=(crypto|node/(net|cli|feed|http)|simulations/main)' 'pb-c\.h=proto/fields\.c' 'czmq\.h=node/(net|cli)' \
          'zmq\.h=node/net' 'csv\.h=node/feed' 'expat\.h=node/feed' 'libconfig\.h=(node/(cli|http)|simulations)' \
          'jansson\.h=(node/(net|cli|http)|simulations)' 'curl\.h=node/http/post\.c' 'microhttpd\.h=node/http/server' 'cjose\.h=node/http/bearer\.c' \
          'oath\.h=node/http/totp\.c' 'qrencode\.h=node/http/totp\.c' 'seccomp\.h=node/cli/sandbox\.c' \
          'gnutls\.h=node/http/(server_peer|certificate)' 'x509\.h=node/http/(server_peer|certificate)'
# All that crypto/, proto/ and node/core/ may call besides each other: what is not listed is impure.
PURE_CALLS := (mem|str)[a-z]+|malloc|calloc|realloc|free|abort|qsort|bsearch|v?snprintf|__(v?snprintf|memcpy|memset|memmove)_chk|__assert_fail|__stack_chk_fail|__ctype_b_loc|(crypto|sodium|protobuf_c|cpis__)_[a-z0-9_]+|randombytes(_[a-z]+)*|_GLOBAL_OFFSET_TABLE_
# libsodium 1.0.18 functions that draw randomness: in crypto/ only, in *_keygen and *_blind only.
DRAWS  := randombytes(_buf|_random|_uniform)?|crypto_[a-z0-9_]+_(keygen|random|seal|init_push|str|str_alg)|crypto_(box|sign|kx)(_curve25519x[a-z0-9]+|_ed[a-z0-9]+)?_keypair
PURE_OBJ := $(call obj,$(PURE_SRC))
# cppcheck 2.10 takes a struct filled through a pointer to its array for uninitialised: gcc and ASan see to those.
.PHONY: lint
lint: $(PURE_OBJ) $(GEN_OBJ) $(B)/cpis unit-check
	@echo "  CPPCHECK"
	@cppcheck --quiet --std=c11 --error-exitcode=1 --enable=warning,portability --inline-suppr --suppress=missingInclude --suppress=uninitvar --suppress=ctuuninitvar --suppress=constParameter -I. $(filter-out tests/%,$(SOURCES))
	@for h in $(filter %.h,$(SOURCES)); do $(CC) $(STD) $(WARN) -Wno-unused -fsyntax-only -x c $$h || exit 1; done
	@for a in $(ARROWS); do ! grep -rHn '^#include "' $${a%%=*} 2>/dev/null | grep -vE "\"($${a#*=})/" || exit 1; done
	@for d in $(DOORS); do ! grep -rHnE "^#include [<\"](.*/)?[a-z-]*$${d%%=*}" $(filter-out tests,$(DIRS)) | grep -vE "^$${d#*=}[/:]?" || exit 1; done
	@echo "  TEST each one that node/SAFETY.md names exists"; tests/conformance/hazards.sh
	@echo "  NM   crypto/ proto/ node/core/ call no clock, socket, thread, log or file"
	@nm -gA $(PURE_OBJ) $(GEN_OBJ) | awk '$$2 == "U" {use[$$3] = $$1; next} {own[$$3] = 1} END {for (s in use) if (!(s in own) && s !~ /^($(PURE_CALLS))$$/) {print use[s], s; bad = 1} exit bad}'
	@readelf -rW $(PURE_OBJ) | awk '/^File:/ {file = $$2} /^Relocation section/ {fn = $$3} $$5 ~ /^($(DRAWS))$$/ && !(file ~ /\/crypto\// && fn ~ /_(keygen|blind)\47$$/) {print file, fn, $$5; bad = 1} END {exit bad}'

	@echo "  LDD  what holds a node's keys loads nothing that speaks HTTP or SMTP"
	@! readelf -d $(B)/cpis | grep -E 'NEEDED.*lib(curl|microhttpd|cjose|gnutls|ssl)'
	@echo "  NM   cpis holds no stand-in for crypto/"
	@! nm $(B)/cpis | grep -E ' (stub_|__wrap_|__real_|crypto_cho)'

include node/packaging/install.mk

# --- what a fresh Debian 12 lacks, from its packages ---
PACKAGES := gcc libc6-dev pkg-config libsodium-dev liblmdb-dev libprotobuf-c-dev protobuf-c-compiler libzmq3-dev \
            libczmq-dev libjansson-dev libconfig-dev libcsv-dev libexpat1-dev libcurl4-openssl-dev libmicrohttpd-dev libgnutls28-dev libcjose-dev \
            liboath-dev libqrencode-dev libseccomp-dev libcriterion-dev tzdata jq
LINT_PACKAGES := cppcheck clang-format-14 binutils
.PHONY: deps
deps:
	@missing=$$(dpkg-query -W -f '$${Package} $${Status}\n' $(PACKAGES) $(EXTRA_PACKAGES) 2>/dev/null | \
	  awk '/ ok installed$$/ {have[$$1] = 1} END {n = split("$(PACKAGES) $(EXTRA_PACKAGES)", want, " "); for (i = 1; i <= n; i++) if (!(want[i] in have)) printf "%s ", want[i]}'); \
	[ -z "$$missing" ] && exit 0; \
	as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	[ -z "$$as_root" ] || command -v sudo >/dev/null || { echo "missing packages, and neither root nor sudo: apt-get install $$missing" >&2; exit 1; }; \
	echo "  APT  $$missing"; \
	$$as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $$missing >/dev/null
.PHONY: clean
clean:
	rm -rf build
-include $(shell find build -type f -name '*.d' 2>/dev/null)
