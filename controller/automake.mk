# SPDX-License-Identifier: Apache-2.0

AM_CXXFLAGS = -Wall -Wextra -Wpedantic -Wconversion -Wshadow

# The stages from a policy's text to the texts of flows and listings: pure, and
# without Open vSwitch. And what reads the text.
noinst_LTLIBRARIES += controller/libpolicy.la
controller_libpolicy_la_CPPFLAGS = -I$(top_srcdir) -I$(top_srcdir)/include
controller_libpolicy_la_SOURCES = \
	controller/address.cc \
	controller/address.h \
	controller/allowed_targets.cc \
	controller/allowed_targets.h \
	controller/budget.cc \
	controller/budget.h \
	controller/clauses.cc \
	controller/clauses.h \
	controller/compile_json.cc \
	controller/compile_json.h \
	controller/continued_counters.cc \
	controller/continued_counters.h \
	controller/cookie.h \
	controller/counters.cc \
	controller/counters.h \
	controller/diagnostic.cc \
	controller/diagnostic.h \
	controller/diagnostic_json.cc \
	controller/diagnostic_json.h \
	controller/evaluate.cc \
	controller/evaluate.h \
	controller/explain.cc \
	controller/explain.h \
	controller/flow_match.cc \
	controller/flow_match.h \
	controller/flow_text.cc \
	controller/flow_text.h \
	controller/flows.cc \
	controller/flows.h \
	controller/import.cc \
	controller/import.h \
	controller/import_chain.cc \
	controller/import_chain.h \
	controller/ipset.cc \
	controller/ipset.h \
	controller/kernel_way.cc \
	controller/last_good.cc \
	controller/last_good.h \
	controller/listing.cc \
	controller/listing.h \
	controller/loss_log.cc \
	controller/loss_log.h \
	controller/masked.cc \
	controller/masked.h \
	controller/match_reader.cc \
	controller/match_reader.h \
	controller/match_reader_address.cc \
	controller/match_reader_limit.cc \
	controller/match_reader_transport.cc \
	controller/matches.h \
	controller/names.cc \
	controller/names.h \
	controller/parser.cc \
	controller/parser.h \
	controller/ports.h \
	controller/policy_file.cc \
	controller/policy_file.h \
	controller/probability.cc \
	controller/probability.h \
	controller/rates.cc \
	controller/rates.h \
	controller/read_file.cc \
	controller/read_file.h \
	controller/read_json.cc \
	controller/read_json.h \
	controller/reconcile.cc \
	controller/reconcile.h \
	controller/rule_text.cc \
	controller/rule_text.h \
	controller/rules.cc \
	controller/rules.h \
	controller/saved_tables.cc \
	controller/saved_tables.h \
	controller/scanner.cc \
	controller/scanner.h \
	controller/sessions.cc \
	controller/sessions.h \
	controller/stages.cc \
	controller/stages.h \
	controller/tap.h \
	controller/status.cc \
	controller/status.h \
	controller/switch_connection.h \
	controller/warnings.cc \
	controller/warnings.h \
	controller/way.cc \
	controller/way.h

# What reads packets, for both programs.
noinst_LTLIBRARIES += controller/libpackets.la
controller_libpackets_la_CPPFLAGS = -I$(top_srcdir) $(OVS_CPPFLAGS)
controller_libpackets_la_SOURCES = \
	controller/packet_path.cc \
	controller/packet_path.h \
	controller/packet_reader.c \
	controller/packet_reader.h
$(controller_libpackets_la_OBJECTS): | $(OVS_STAMP)

# What keeps a switch as a policy says.
noinst_LTLIBRARIES += controller/libcontroller.la
controller_libcontroller_la_CPPFLAGS = \
	-I$(top_srcdir) $(OVS_CPPFLAGS) $(METRICS_CFLAGS)
controller_libcontroller_la_SOURCES = \
	controller/audit.cc \
	controller/audit.h \
	controller/controller.cc \
	controller/controller.h \
	controller/file_watch.cc \
	controller/file_watch.h \
	controller/http_server.cc \
	controller/http_server.h \
	controller/metrics.cc \
	controller/metrics.h \
	controller/metrics_collector.cc \
	controller/metrics_collector.h \
	controller/mirrored_bridge.cc \
	controller/mirrored_bridge.h \
	controller/mirrored_bridges.cc \
	controller/mirrored_bridges.h \
	controller/openflow_connection.cc \
	controller/openflow_connection.h \
	controller/ovs.h \
	controller/pace.h \
	controller/page.cc \
	controller/page.h \
	controller/service_manager.cc \
	controller/service_manager.h \
	controller/snapshot_exchange.h \
	controller/session_reader.cc \
	controller/session_reader.h \
	controller/tap_config.cc \
	controller/tap_config.h \
	controller/traffic_history.cc \
	controller/traffic_history.h
nodist_controller_libcontroller_la_SOURCES = controller/page_files.cc
controller_libcontroller_la_LIBADD = $(METRICS_LIBS)
$(controller_libcontroller_la_OBJECTS): | $(OVS_STAMP)

# The files of the live page, as texts of the program.
page_files = \
	$(srcdir)/controller/page/index.html \
	$(srcdir)/controller/page/chart.js \
	$(srcdir)/controller/page/dom.js \
	$(srcdir)/controller/page/format.js \
	$(srcdir)/controller/page/icon.svg \
	$(srcdir)/controller/page/page.css \
	$(srcdir)/controller/page/page.js \
	$(srcdir)/controller/page/picture.js \
	$(srcdir)/controller/page/policy.js \
	$(srcdir)/controller/page/targets.js
controller/page_files.cc: $(page_files) $(srcdir)/build-aux/embed
	$(AM_V_GEN)$(MKDIR_P) controller && \
	$(srcdir)/build-aux/embed $(page_files) >$@.tmp && mv $@.tmp $@
EXTRA_DIST += $(page_files) build-aux/embed
CLEANFILES += controller/page_files.cc

sbin_PROGRAMS += controller/ovs-rmirrord
controller_ovs_rmirrord_CPPFLAGS = -I$(top_srcdir) $(OVS_CPPFLAGS)
controller_ovs_rmirrord_SOURCES = controller/ovs-rmirrord.cc
controller_ovs_rmirrord_LDADD = \
	controller/libcontroller.la \
	controller/libpackets.la \
	controller/libpolicy.la \
	$(OVS_LIBS)
$(controller_ovs_rmirrord_OBJECTS): | $(OVS_STAMP)

# What the command line takes besides.
noinst_LTLIBRARIES += controller/libcommands.la
controller_libcommands_la_CPPFLAGS = -I$(top_srcdir) $(OVS_CPPFLAGS)
controller_libcommands_la_SOURCES = \
	controller/capture.cc \
	controller/capture.h \
	controller/capture_choice.cc \
	controller/capture_choice.h \
	controller/copy_reader.cc \
	controller/copy_reader.h \
	controller/daemon_client.cc \
	controller/daemon_client.h \
	controller/pcapng.cc \
	controller/pcapng.h \
	controller/policy_source.cc \
	controller/policy_source.h \
	controller/rule_table.cc \
	controller/rule_table.h \
	controller/signals.h \
	controller/terminal.cc \
	controller/terminal.h \
	controller/top.cc \
	controller/top.h
$(controller_libcommands_la_OBJECTS): | $(OVS_STAMP)

bin_PROGRAMS += controller/ovs-rmirrorctl
controller_ovs_rmirrorctl_CPPFLAGS = -I$(top_srcdir) $(OVS_CPPFLAGS)
controller_ovs_rmirrorctl_SOURCES = controller/ovs-rmirrorctl.cc
controller_ovs_rmirrorctl_LDADD = \
	controller/libcommands.la \
	controller/libpackets.la \
	controller/libpolicy.la \
	$(OVS_LIBS) \
	$(NCURSES_LIBS) $(PCAP_LIBS)
$(controller_ovs_rmirrorctl_OBJECTS): | $(OVS_STAMP)

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = controller/bash-completion/ovs-rmirrorctl

dist_man_MANS += \
	controller/ovs-rmirror.policy.5 \
	controller/ovs-rmirrorctl.8 \
	controller/ovs-rmirrord.8

# The folder of units of the system, rather than of the prefix, is where
# packages put it: make install systemdsystemunitdir=/lib/systemd/system
systemdsystemunitdir = $(prefix)/lib/systemd/system
systemdsystemunit_DATA = controller/ovs-rmirrord.service
controller/ovs-rmirrord.service: controller/ovs-rmirrord.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) controller && $(SED) \
	  -e 's|@bindir[@]|$(bindir)|g' -e 's|@sbindir[@]|$(sbindir)|g' \
	  -e 's|@localstatedir[@]|$(localstatedir)|g' \
	  $(srcdir)/controller/ovs-rmirrord.service.in >$@.tmp && mv $@.tmp $@
EXTRA_DIST += controller/ovs-rmirrord.service.in
CLEANFILES += controller/ovs-rmirrord.service
