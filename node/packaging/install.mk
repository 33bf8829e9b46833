# make install, uninstall, deb, package-test, unit-check: included by the Makefile, which has the rest.
PREFIX  ?= /usr/local
DESTDIR ?=
BINDIR  := $(PREFIX)/bin
SHARE   := $(PREFIX)/share
VERSION := $(shell sed -n 's/^.define CLI_VERSION "\(.*\)"/\1/p' node/cli/cli.h)
ARCH     = $(shell dpkg --print-architecture)
P       := $(B)/installed

.PHONY: install uninstall deb package-test unit-check FORCE
# the simulator with the place of its scenarios compiled in
$(P)/tool.o: simulations/tool.c FORCE | $(G)/proto/cpis.pb-c.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) -DCPIS_SIM_SCENARIO_DIR='"$(SHARE)/cpis/scenarios"' -c -o $@ $<
$(P)/cpis-sim: $(B)/simulations/main.o $(filter-out $(B)/simulations/tool.o,$(call obj,$(SIM_SRC))) $(P)/tool.o $(LIB)
	$(call link,$(SIM_WRAP) -ljansson -lconfig $(CORE_LIBS))
# what is written by the programs themselves: manual pages, completion, an example of node.conf
$(P)/made: $(BIN) $(B)/cpis-sim node/packaging/man.sh node/packaging/completion.sh node/packaging/example.sh
	@echo "  MADE $(P): manual pages, completion, node.conf"; rm -rf $(P)/man $(P)/completion; mkdir -p $(P)/completion
	$(Q)for p in cpis cpis-sim; do node/packaging/man.sh $(B)/$$p $(VERSION) $(P)/man && \
	  node/packaging/completion.sh $(B)/$$p >$(P)/completion/$$p || exit 1; done
	$(Q)node/packaging/example.sh $(B)/cpis >$(P)/node.conf && touch $@
$(P)/cpis@.service: node/packaging/cpis@.service FORCE
	@mkdir -p $(@D)
	$(Q)sed 's|@BINDIR@|$(BINDIR)|; s|@SHARE@|$(SHARE)|' $< >$@

install: $(BIN) $(P)/cpis-sim $(P)/made $(P)/cpis@.service
	@echo "  INST $(DESTDIR)$(PREFIX)"
	$(Q)install -D -m 755 -t $(DESTDIR)$(BINDIR) $(BIN) $(P)/cpis-sim
	$(Q)install -D -m 644 -t $(DESTDIR)$(SHARE)/cpis/scenarios simulations/scenarios/*
	$(Q)install -D -m 644 -t $(DESTDIR)$(SHARE)/man/man1 $(P)/man/*.1
	$(Q)install -D -m 644 -t $(DESTDIR)$(SHARE)/bash-completion/completions $(P)/completion/*
	$(Q)install -D -m 644 -t $(DESTDIR)$(SHARE)/doc/cpis README.md
	$(Q)for d in node simulations proto; do install -D -m 644 -t $(DESTDIR)$(SHARE)/doc/cpis/$$d $$d/README.md || exit 1; done
	$(Q)install -D -m 644 -t $(DESTDIR)$(SHARE)/doc/cpis/examples $(P)/node.conf
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system $(P)/cpis@.service
	$(Q)install -D -m 644 node/packaging/cpis.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/cpis.conf
	$(Q)install -D -m 644 node/packaging/cpis.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/cpis.conf
	$(Q)if [ -d build/web ]; then cd build/web && find . -type f -exec install -D -m 644 '{}' '$(abspath $(DESTDIR)$(SHARE))/cpis/web/{}' \; ; \
	  else echo "  no web pages: \`make pages\` builds them"; fi
	@[ -n "$(DESTDIR)" ] || echo "  then, as root: systemd-sysusers cpis.conf && systemd-tmpfiles --create cpis.conf && systemctl daemon-reload"
# nodes' folders stay where they are
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/cpis $(DESTDIR)$(BINDIR)/cpis-web $(DESTDIR)$(BINDIR)/cpis-sim $(DESTDIR)$(SHARE)/man/man1/cpis.1 $(DESTDIR)$(SHARE)/man/man1/cpis-*.1 \
	  $(DESTDIR)$(SHARE)/bash-completion/completions/cpis $(DESTDIR)$(SHARE)/bash-completion/completions/cpis-sim \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system/cpis@.service $(DESTDIR)$(PREFIX)/lib/sysusers.d/cpis.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/cpis.conf
	rm -rf $(DESTDIR)$(SHARE)/cpis $(DESTDIR)$(SHARE)/doc/cpis

# The unit's exposure, 0 (none) to 10, below 2.0; without systemd it is not looked at, and that is said.
unit-check: $(P)/cpis@.service
	@command -v systemd-analyze >/dev/null || { echo "  no systemd-analyze: the unit is not looked at"; exit 0; }; \
	cp $< $(P)/cpis@test.service && systemd-analyze security --offline=yes --no-pager --threshold=19 $(P)/cpis@test.service >$(P)/unit.log 2>&1; \
	rc=$$?; tail -n 1 $(P)/unit.log; exit $$rc

deb:
	@$(MAKE) --no-print-directory deps EXTRA_PACKAGES="dpkg-dev binutils"
	@rm -rf build/deb && $(MAKE) --no-print-directory MODE=release PREFIX=/usr DESTDIR=build/deb/root install
	@node/packaging/deb.sh build/deb $(VERSION) $(ARCH)
# Installed, used, upgraded and removed in a Debian 12 of its own, when root and debootstrap is there; else unpacked and looked at.
package-test: deb
	@tests/e2e/package.sh build/cpis_$(VERSION)_$(ARCH).deb
