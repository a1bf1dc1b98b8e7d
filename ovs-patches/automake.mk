# SPDX-License-Identifier: Apache-2.0
#
# Builds the patched Open vSwitch in the folder ovs/ of the build folder:
#
#   ovs-source.stamp   ovs/ holds the source: the archive, ovs-patches/src/,
#                      include/rmirror/, and the series on top. Later runs
#                      replace only the files whose content has changed.
#   ovs/Makefile       Open vSwitch is configured.
#   ovs-build.stamp    Open vSwitch is built.
#
# For the other fragments:
#
#   OVS_CPPFLAGS   to compile against Open vSwitch
#   OVS_LIBS       to link with libopenvswitch, by libtool, which knows what
#                  else that needs
#   OVS_STAMP      what objects must wait for (order-only: their .deps know
#                  which headers they really use)
#
# OVS_PARTS may be set, on the command line of make, to variables for Open
# vSwitch's own make that have it build less than everything.

OVS_CPPFLAGS = \
	-I$(top_srcdir)/include \
	-I$(top_builddir)/ovs/include \
	-I$(top_builddir)/ovs/lib \
	-I$(top_builddir)/ovs
OVS_LIBS = ovs/lib/libopenvswitch.la
OVS_STAMP = ovs-build.stamp

OVS_SERIES_TOOL = $(srcdir)/build-aux/ovs-series
OVS_INPUTS := $(shell cd $(srcdir) && \
	find ovs-patches/series ovs-patches/*.patch ovs-patches/src \
	     -type f ! -name '*~' ! -name '.*' 2>/dev/null | LC_ALL=C sort)
EXTRA_DIST += $(OVS_INPUTS) ovs-patches/README.md

# Lists that make a file's coming or going, or another argument, count as a
# change. They are written anew only when they differ.
ovs-inputs.list: FORCE
	@echo '$(OVS_SOURCE) $(OVS_INPUTS) $(rmirror_headers)' > $@.tmp; \
	 if cmp -s $@.tmp $@; then rm -f $@.tmp; else mv -f $@.tmp $@; fi
ovs-configure.args: FORCE
	@{ echo "CC='$(CC)' CFLAGS='$(CFLAGS)' CPPFLAGS='$(CPPFLAGS)'" \
		"LDFLAGS='$(LDFLAGS)' PYTHON3='$(PYTHON3)'"; \
	   echo "--prefix='$(prefix)' --exec-prefix='$(exec_prefix)'" \
		"--sysconfdir='$(sysconfdir)'" \
		"--localstatedir='$(localstatedir)'" \
		"--bindir='$(bindir)' --sbindir='$(sbindir)'" \
		"--libdir='$(libdir)' --includedir='$(includedir)'" \
		"--datarootdir='$(datarootdir)' --mandir='$(mandir)'"; \
	   echo "--enable-Werror --enable-silent-rules $(OVS_OPTIONS)"; \
	   echo "ac_cv_lib_unbound_ub_ctx_create=no" \
		"ac_cv_lib_unwind_unw_backtrace=no" \
		"ovs_cv_flake8=no ovs_cv_sphinx=no ovs_cv_dot=no"; \
	   echo "$(OVS_CONFIGURE_ARGS)"; } > $@.tmp; \
	 if cmp -s $@.tmp $@; then rm -f $@.tmp; else mv -f $@.tmp $@; fi
FORCE:
.PHONY: FORCE

ovs-source.stamp: ovs-inputs.list $(OVS_INPUTS) $(rmirror_headers) \
		  $(OVS_SERIES_TOOL)
	@$(OVS_SERIES_TOOL) sync '$(OVS_SOURCE)' '$(srcdir)' ovs
	@touch $@

# Configures the tree $(1).
configure_ovs = \
	echo "configuring Open vSwitch: log in $(1)-configure.log"; \
	(cd $(1) && ./boot.sh && \
	 eval ./configure $$(cat ../ovs-configure.args)) \
	</dev/null >$(1)-configure.log 2>&1 || { \
	  rm -f $(1)/Makefile; tail -n 30 $(1)-configure.log >&2; \
	  echo "Open vSwitch could not be configured: see above, and" \
	       "$$(pwd)/$(1)-configure.log" >&2; exit 1; }

ovs/Makefile: ovs-configure.args | ovs-source.stamp
	@$(call configure_ovs,ovs)
	@touch $@

ovs-build.stamp: ovs-source.stamp ovs/Makefile
	@echo "building Open vSwitch"
	$(AM_V_at)+cd ovs && $(MAKE) all $(OVS_PARTS)
	@touch $@

# The same without any of our changes, for tests that compare the two.
ovs-pristine: ovs-pristine.stamp
ovs-pristine.stamp: ovs-configure.args
	@rm -rf ovs-pristine
	@$(OVS_SERIES_TOOL) unpack '$(OVS_SOURCE)' ovs-pristine
	@$(call configure_ovs,ovs-pristine)
	$(AM_V_at)+cd ovs-pristine && $(MAKE) all
	@touch $@
.PHONY: ovs-pristine

ovs/lib/libopenvswitch.la: ovs-build.stamp
	@:

all-local: ovs-build.stamp

# Everything in one go: the parts of Open vSwitch's installation are not made
# to run side by side.
install-exec-local: ovs-build.stamp
	$(AM_V_at)+cd ovs && $(MAKE) install DESTDIR='$(DESTDIR)'

uninstall-local:
	$(AM_V_at)+test ! -e ovs/Makefile || { \
	  cd ovs && $(MAKE) uninstall DESTDIR='$(DESTDIR)'; }

# ovs-edit is the developer's and stays.
clean-local:
	rm -rf ovs ovs.new ovs-edit.new ovs-pristine
	rm -f ovs-source.stamp ovs-build.stamp ovs-pristine.stamp \
	      ovs-inputs.list ovs-configure.args ovs.new.log \
	      ovs-configure.log ovs-pristine-configure.log

ovs-edit:
	@$(OVS_SERIES_TOOL) edit '$(OVS_SOURCE)' '$(srcdir)' ovs-edit

ovs-refresh:
	@$(OVS_SERIES_TOOL) refresh '$(srcdir)' ovs-edit

checkpatch: ovs-source.stamp
	@PYTHON3='$(PYTHON3)' $(OVS_SERIES_TOOL) checkpatch '$(srcdir)' ovs
.PHONY: ovs-edit ovs-refresh checkpatch
