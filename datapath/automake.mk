# SPDX-License-Identifier: GPL-2.0
#
# The kernel modules. "make all" leaves them alone: whether they are wanted, and
# for which kernel, is another question.
#
#   datapath        builds them in modules/, for the kernel of KDIR (default:
#                   the running one)
#   datapath-check  checks their sources with sparse and checkpatch.pl
#   install-dkms    installs the sources for DKMS
#   deb             makes the Debian package ovs-rmirror-dkms, which does that
#
# With LINUX_SOURCE= rmirror.ko is built alone, from the kernel's headers.

datapath_make = $(MAKE) -C '$(srcdir)/datapath' \
	BUILD='$(abs_builddir)/modules' LINUX_SOURCE='$(LINUX_SOURCE)' \
	$(if $(KDIR),KDIR='$(KDIR)')

datapath:
	$(AM_V_at)+$(datapath_make) modules
datapath-check:
	$(AM_V_at)+$(datapath_make) sparse checkpatch

# DKMS looks for sources there and nowhere else.
dkms_dir = /usr/src/ovs-rmirror-$(PACKAGE_VERSION)
dkms_data = LICENSES/GPL-2.0.txt include/rmirror/netlink.h \
	datapath/*.c datapath/*.h datapath/Kbuild datapath/Makefile \
	datapath/openvswitch/series datapath/openvswitch/*.patch
dkms_scripts = datapath/dkms/sources datapath/openvswitch/source
set_version = sed 's/\#VERSION\#/$(PACKAGE_VERSION)/'

install-dkms:
	@to='$(DESTDIR)$(dkms_dir)'; \
	rm -rf "$$to" && $(MKDIR_P) "$$to" && \
	(cd '$(srcdir)' && tar -chf - $(dkms_data) $(dkms_scripts)) | \
		tar -C "$$to" --no-same-owner -xf - && \
	(cd "$$to" && chmod -R u=rwX,go=rX . && chmod 755 $(dkms_scripts)) && \
	$(set_version) '$(srcdir)/datapath/dkms/dkms.conf.in' >"$$to/dkms.conf"
uninstall-dkms:
	rm -rf '$(DESTDIR)$(dkms_dir)'

deb:
	@rm -rf deb && $(MKDIR_P) deb/DEBIAN deb/etc/default
	@$(MAKE) --silent install-dkms DESTDIR='$(abs_builddir)/deb'
	@for file in control postinst prerm; do \
		$(set_version) '$(srcdir)/datapath/dkms/'$$file.in \
			>deb/DEBIAN/$$file || exit; \
	done
	@sed -i '/^\#/d' deb/DEBIAN/control
	@echo /etc/default/ovs-rmirror-dkms >deb/DEBIAN/conffiles
	@$(INSTALL_DATA) '$(srcdir)/datapath/dkms/default' \
		deb/etc/default/ovs-rmirror-dkms
	@chmod 755 deb/DEBIAN/postinst deb/DEBIAN/prerm
	@dpkg-deb --root-owner-group --build deb .
	@rm -rf deb

clean-local: clean-datapath
clean-datapath:
	rm -rf modules deb
CLEANFILES += ovs-rmirror-dkms_*_all.deb

.PHONY: datapath datapath-check install-dkms uninstall-dkms deb clean-datapath
