# SPDX-License-Identifier: Apache-2.0
#
# The targets of libFuzzer.  tests/fuzz/run builds them, in a build folder that
# is configured for clang and its sanitizers.

fuzz_targets = \
	tests/fuzz/fuzz-control-commands \
	tests/fuzz/fuzz-daemon-answers \
	tests/fuzz/fuzz-datapath-actions \
	tests/fuzz/fuzz-http-request \
	tests/fuzz/fuzz-ipset \
	tests/fuzz/fuzz-iptables-save \
	tests/fuzz/fuzz-kernel-replies \
	tests/fuzz/fuzz-openflow-actions \
	tests/fuzz/fuzz-ovs-ofctl-actions \
	tests/fuzz/fuzz-packet \
	tests/fuzz/fuzz-policy \
	tests/fuzz/fuzz-rmirror-attribute
EXTRA_PROGRAMS += $(fuzz_targets)
CLEANFILES += $(fuzz_targets)
fuzz: $(fuzz_targets)
.PHONY: fuzz

fuzz_cppflags = -I$(top_srcdir) $(OVS_CPPFLAGS)
fuzz_ldflags = -fsanitize=fuzzer -Wl,-u,LLVMFuzzerInitialize

# What targets share.
EXTRA_LTLIBRARIES = tests/fuzz/libfuzz.la
tests_fuzz_libfuzz_la_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_libfuzz_la_SOURCES = \
	tests/fuzz/odp_actions.c \
	tests/fuzz/odp_actions.h \
	tests/fuzz/ofpacts.c \
	tests/fuzz/ofpacts.h \
	tests/fuzz/property.h \
	tests/fuzz/quiet.c \
	tests/fuzz/text.h
$(tests_fuzz_libfuzz_la_OBJECTS): | $(OVS_STAMP)
fuzz_libs = tests/fuzz/libfuzz.la $(OVS_LIBS)

tests_fuzz_fuzz_control_commands_CPPFLAGS = $(fuzz_cppflags) $(METRICS_CFLAGS)
# The daemon waits for no disk.
tests_fuzz_fuzz_control_commands_LDFLAGS = $(fuzz_ldflags) -Wl,--wrap=fsync
tests_fuzz_fuzz_control_commands_SOURCES = tests/fuzz/control_commands.cc
tests_fuzz_fuzz_control_commands_LDADD = \
	controller/libcontroller.la \
	controller/libpackets.la \
	controller/libpolicy.la \
	$(fuzz_libs)
$(tests_fuzz_fuzz_control_commands_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_daemon_answers_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_daemon_answers_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_daemon_answers_SOURCES = \
	controller/daemon_client.cc \
	tests/fuzz/daemon_answers.cc
tests_fuzz_fuzz_daemon_answers_LDADD = controller/libpolicy.la $(fuzz_libs)
$(tests_fuzz_fuzz_daemon_answers_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_datapath_actions_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_datapath_actions_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_datapath_actions_SOURCES = tests/fuzz/datapath_actions.c
tests_fuzz_fuzz_datapath_actions_LDADD = $(fuzz_libs)
$(tests_fuzz_fuzz_datapath_actions_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_http_request_CPPFLAGS = $(fuzz_cppflags) $(METRICS_CFLAGS)
# Its time and its clients are its own; the long name is that of
# std::chrono::steady_clock::now().
tests_fuzz_fuzz_http_request_LDFLAGS = $(fuzz_ldflags) \
	-Wl,--wrap=poll,--wrap=_ZNSt6chrono3_V212steady_clock3nowEv
tests_fuzz_fuzz_http_request_SOURCES = tests/fuzz/http_request.cc
tests_fuzz_fuzz_http_request_LDADD = \
	controller/libpolicy.la \
	$(fuzz_libs) \
	$(METRICS_LIBS)
$(tests_fuzz_fuzz_http_request_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_ipset_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_ipset_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_ipset_SOURCES = tests/fuzz/ipset.cc
tests_fuzz_fuzz_ipset_LDADD = controller/libpolicy.la $(fuzz_libs)
$(tests_fuzz_fuzz_ipset_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_iptables_save_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_iptables_save_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_iptables_save_SOURCES = tests/fuzz/iptables_save.cc
tests_fuzz_fuzz_iptables_save_LDADD = controller/libpolicy.la $(fuzz_libs)
$(tests_fuzz_fuzz_iptables_save_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_kernel_replies_CPPFLAGS = $(fuzz_cppflags)
# Its sockets are its own.
tests_fuzz_fuzz_kernel_replies_LDFLAGS = $(fuzz_ldflags) \
	-Wl,--wrap=nl_lookup_genl_family,--wrap=nl_transact \
	-Wl,--wrap=nl_dump_start,--wrap=nl_dump_next,--wrap=nl_dump_done
tests_fuzz_fuzz_kernel_replies_SOURCES = tests/fuzz/kernel_replies.c
tests_fuzz_fuzz_kernel_replies_LDADD = $(fuzz_libs)
$(tests_fuzz_fuzz_kernel_replies_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_openflow_actions_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_openflow_actions_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_openflow_actions_SOURCES = tests/fuzz/openflow_actions.c
tests_fuzz_fuzz_openflow_actions_LDADD = $(fuzz_libs)
$(tests_fuzz_fuzz_openflow_actions_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_ovs_ofctl_actions_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_ovs_ofctl_actions_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_ovs_ofctl_actions_SOURCES = tests/fuzz/ovs_ofctl_actions.c
tests_fuzz_fuzz_ovs_ofctl_actions_LDADD = $(fuzz_libs)
$(tests_fuzz_fuzz_ovs_ofctl_actions_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_packet_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_packet_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_packet_SOURCES = tests/fuzz/packet.cc
tests_fuzz_fuzz_packet_LDADD = \
	controller/libpackets.la \
	controller/libpolicy.la \
	$(fuzz_libs)
$(tests_fuzz_fuzz_packet_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_policy_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_policy_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_policy_SOURCES = tests/fuzz/policy.cc
tests_fuzz_fuzz_policy_LDADD = controller/libpolicy.la $(fuzz_libs)
$(tests_fuzz_fuzz_policy_OBJECTS): | $(OVS_STAMP)

tests_fuzz_fuzz_rmirror_attribute_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_rmirror_attribute_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_rmirror_attribute_SOURCES = tests/fuzz/rmirror_attribute.c
tests_fuzz_fuzz_rmirror_attribute_LDADD = $(fuzz_libs)
$(tests_fuzz_fuzz_rmirror_attribute_OBJECTS): | $(OVS_STAMP)
