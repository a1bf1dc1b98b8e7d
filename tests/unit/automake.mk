# SPDX-License-Identifier: Apache-2.0

if HAVE_GTEST
check_PROGRAMS += tests/unit/rmirror-unit
TESTS += tests/unit/rmirror-unit
endif

tests_unit_rmirror_unit_CPPFLAGS = \
	-I$(top_srcdir) $(OVS_CPPFLAGS) $(GTEST_CPPFLAGS)
tests_unit_rmirror_unit_SOURCES = \
	tests/unit/address_test.cc \
	tests/unit/allowed_targets_test.cc \
	tests/unit/audit_test.cc \
	tests/unit/budget_test.cc \
	tests/unit/capture_choice_test.cc \
	tests/unit/clauses_test.cc \
	tests/unit/controller_test.cc \
	tests/unit/copy_reader_test.cc \
	tests/unit/counters_test.cc \
	tests/unit/diagnostic_test.cc \
	tests/unit/file_watch_test.cc \
	tests/unit/evaluate_test.cc \
	tests/unit/explain_test.cc \
	tests/unit/flow_table.c \
	tests/unit/flow_table.h \
	tests/unit/flow_text_test.cc \
	tests/unit/flow_walk.cc \
	tests/unit/flow_walk.h \
	tests/unit/flows_test.cc \
	tests/unit/generate.h \
	tests/unit/http_server_test.cc \
	tests/unit/import_test.cc \
	tests/unit/ipset_test.cc \
	tests/unit/last_good_test.cc \
	tests/unit/listing_test.cc \
	tests/unit/loss_log_test.cc \
	tests/unit/masked_test.cc \
	tests/unit/metrics_test.cc \
	tests/unit/names_test.cc \
	tests/unit/page_test.cc \
	tests/unit/parser_test.cc \
	tests/unit/pcapng_test.cc \
	tests/unit/policy_file_test.cc \
	tests/unit/probability_test.cc \
	tests/unit/rates_test.cc \
	tests/unit/read_file_test.cc \
	tests/unit/read_json_test.cc \
	tests/unit/reconcile_test.cc \
	tests/unit/rule_text_test.cc \
	tests/unit/rules_test.cc \
	tests/unit/scanner_test.cc \
	tests/unit/snapshot_exchange_test.cc \
	tests/unit/session_reader_test.cc \
	tests/unit/sessions_test.cc \
	tests/unit/stages_test.cc \
	tests/unit/status_test.cc \
	tests/unit/traffic_history_test.cc \
	tests/unit/warnings_test.cc \
	tests/unit/way_test.cc
tests_unit_rmirror_unit_LDADD = \
	controller/libcommands.la \
	controller/libcontroller.la \
	controller/libpackets.la \
	controller/libpolicy.la \
	$(OVS_LIBS) \
	$(NCURSES_LIBS) $(PCAP_LIBS) \
	$(OVS_LIBS) \
	-lrapidcheck $(GTEST_LIBS)
$(tests_unit_rmirror_unit_OBJECTS): | $(OVS_STAMP)
