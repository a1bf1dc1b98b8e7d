# SPDX-License-Identifier: Apache-2.0
rmirrorincludedir = $(includedir)/rmirror
rmirrorinclude_HEADERS = \
	include/rmirror/netlink.h \
	include/rmirror/openflow.h
