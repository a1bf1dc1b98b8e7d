# SPDX-License-Identifier: Apache-2.0

if HAVE_GTEST
check_PROGRAMS += tests/oracle/rmirror-oracle
endif

tests_oracle_rmirror_oracle_CPPFLAGS = -I$(top_srcdir) $(OVS_CPPFLAGS)
tests_oracle_rmirror_oracle_SOURCES = \
	tests/oracle/iptables.cc \
	tests/oracle/iptables.h \
	tests/oracle/oracle.cc \
	tests/oracle/switch.cc \
	tests/oracle/switch.h \
	tests/oracle/wire_packet.cc \
	tests/oracle/wire_packet.h \
	tests/unit/generate.h
tests_oracle_rmirror_oracle_LDADD = \
	controller/libcontroller.la \
	controller/libpackets.la \
	controller/libpolicy.la \
	$(OVS_LIBS) \
	-lrapidcheck
$(tests_oracle_rmirror_oracle_OBJECTS): | $(OVS_STAMP)
EXTRA_DIST += tests/oracle/run
