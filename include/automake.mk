# SPDX-License-Identifier: Apache-2.0
#
# include/rmirror holds what two parts share. The build of Open vSwitch gets
# a copy (ovs-patches/automake.mk); everything else uses it from here.

rmirror_headers := $(shell cd $(srcdir) && \
	find include/rmirror -type f -name '*.h' | LC_ALL=C sort)
EXTRA_DIST += $(rmirror_headers)
