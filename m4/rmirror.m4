# SPDX-License-Identifier: Apache-2.0
#
# Checks of configure. Every one that fails names the Debian package, or the
# option, that is the remedy.

# RMIRROR_NEED_PROG(VARIABLE, PROGRAM, PACKAGE, WHY)
# --------------------------------------------------
AC_DEFUN([RMIRROR_NEED_PROG], [
  AC_PATH_PROG([$1], [$2])
  test -n "$$1" ||
    AC_MSG_ERROR([$2 is missing ($4): install the Debian package $3])])

# RMIRROR_NEED_CXX_HEADER(HEADER, PACKAGE, WHY)
# ---------------------------------------------
AC_DEFUN([RMIRROR_NEED_CXX_HEADER], [
  AC_CHECK_HEADER([$1], [],
    [AC_MSG_ERROR([<$1> is missing ($3): install the Debian package $2])])])

# RMIRROR_NEED_MODULE(VARIABLE, MODULE, PACKAGE, WHY)
# ---------------------------------------------------
# VARIABLE_CFLAGS, VARIABLE_LIBS: of a library that pkg-config knows.
AC_DEFUN([RMIRROR_NEED_MODULE], [
  PKG_CHECK_MODULES([$1], [$2], [],
    [AC_MSG_ERROR([pkg-config does not find $2 ($4): install the Debian package $3])])])

# RMIRROR_CXX20
# -------------
# Appends the option to CXX that makes it a compiler of C++20.
AC_DEFUN([RMIRROR_CXX20], [
  AC_CACHE_CHECK([for the option of $CXX for C++20], [rmirror_cv_cxx20], [
    rmirror_cv_cxx20=none
    rmirror_save_CXX=$CXX
    for rmirror_option in -std=c++20 -std=c++2a; do
      CXX="$rmirror_save_CXX $rmirror_option"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
          #include <compare>
          #include <concepts>
          #include <span>
          struct length {
              int bytes;
              auto operator<=>(const length &) const = default;
          };
          template <std::integral T> T first(std::span<const T> s) {
              return s.front();
          }]], [[
          const int a[] = {1, 2};
          return first(std::span<const int>(a)) > 0
                 && length{.bytes = 1} < length{.bytes = 2} ? 0 : 1;]])],
        [rmirror_cv_cxx20=$rmirror_option; break])
    done
    CXX=$rmirror_save_CXX])
  if test "$rmirror_cv_cxx20" = none; then
    AC_MSG_ERROR([$CXX does not compile C++20: install the Debian package g++ (10 or later), or set CXX])
  fi
  CXX="$CXX $rmirror_cv_cxx20"])

# RMIRROR_GTEST
# -------------
# GTEST_CPPFLAGS, GTEST_LIBS; the conditional HAVE_GTEST: GoogleTest and
# RapidCheck are there. Only "make check" needs them.
AC_DEFUN([RMIRROR_GTEST], [
  rmirror_save_LIBS=$LIBS
  AC_MSG_CHECKING([for GoogleTest])
  LIBS="-lgtest -lgtest_main -pthread $rmirror_save_LIBS"
  AC_LINK_IFELSE([AC_LANG_SOURCE([[
      #include <gtest/gtest.h>
      TEST(Configure, Links) { EXPECT_TRUE(true); }]])],
    [rmirror_unit=yes], [rmirror_unit=no])
  AC_MSG_RESULT([$rmirror_unit])
  AC_MSG_CHECKING([for RapidCheck])
  LIBS="-lrapidcheck $rmirror_save_LIBS"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[
      #include <rapidcheck.h>]], [[
      return rc::check("an integer is itself", [](int i) {
          RC_ASSERT(i == i); });]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     rmirror_unit=no])
  LIBS=$rmirror_save_LIBS
  AM_CONDITIONAL([HAVE_GTEST], [test $rmirror_unit = yes])
  AC_SUBST([GTEST_CPPFLAGS], [])
  AC_SUBST([GTEST_LIBS], ["-lgtest -lgtest_main -pthread"])])

# RMIRROR_OVS_SOURCE
# ------------------
# --with-ovs-source: OVS_SOURCE (absolute path of the archive or folder) and
# OVS_VERSION.
AC_DEFUN([RMIRROR_OVS_SOURCE], [
  m4_define([rmirror_default_source],
            [/usr/src/openvswitch/openvswitch.tar.gz])
  AC_ARG_WITH([ovs-source],
    [AS_HELP_STRING([--with-ovs-source=TARBALL|DIR],
       [source of Open vSwitch 3.1: an archive or an unpacked folder
        @<:@]rmirror_default_source[, of the Debian package
        openvswitch-source@:>@])],
    [], [with_ovs_source=rmirror_default_source])
  AC_MSG_CHECKING([for the source of Open vSwitch])
  AC_MSG_RESULT([$with_ovs_source])
  case $with_ovs_source in
    yes|no|'')
      AC_MSG_ERROR([--with-ovs-source needs the path of an archive or of a folder]) ;;
    /*) OVS_SOURCE=$with_ovs_source ;;
    *) OVS_SOURCE=`pwd`/$with_ovs_source ;;
  esac
  if test -d "$OVS_SOURCE"; then
    rmirror_ac=`cat "$OVS_SOURCE/configure.ac" 2>/dev/null`
    test ! -e "$OVS_SOURCE/config.status" ||
      AC_MSG_ERROR([$OVS_SOURCE is configured: run "make distclean" in it, or give an archive])
  elif test -f "$OVS_SOURCE"; then
    rmirror_ac=`tar -xOf "$OVS_SOURCE" --wildcards --no-wildcards-match-slash '*/configure.ac' 2>/dev/null`
  elif test "$OVS_SOURCE" = rmirror_default_source; then
    AC_MSG_ERROR([$OVS_SOURCE does not exist: install the Debian package openvswitch-source, or give --with-ovs-source=TARBALL|DIR])
  else
    AC_MSG_ERROR([$OVS_SOURCE does not exist: --with-ovs-source takes an archive or a folder])
  fi
  OVS_VERSION=`AS_ECHO(["$rmirror_ac"]) |
    sed -n 's/^AC.INIT(\@<:@*openvswitch@:>@*, *\@<:@*\(@<:@0-9@:>@@<:@0-9.@:>@*\).*/\1/p'`
  AC_MSG_CHECKING([for its version])
  AC_MSG_RESULT([${OVS_VERSION:-unknown}])
  AS_CASE([$OVS_VERSION],
    [3.1.*], [],
    [''], [AC_MSG_ERROR([$OVS_SOURCE is no source of Open vSwitch: its top folder has no configure.ac that says so])],
    [AC_MSG_ERROR([$OVS_SOURCE is Open vSwitch $OVS_VERSION, but ovs-patches/series is for 3.1.x: give a source of 3.1.x with --with-ovs-source (Debian 12: openvswitch-source)])])
  AC_SUBST([OVS_SOURCE])
  AC_SUBST([OVS_VERSION])])

# RMIRROR_OVS_OPTION(OPTION, HEADER, PACKAGE, WHAT)
# ----------------------------------------------------------
# Open vSwitch takes what it finds; here the decision is made once, said, and
# handed to its configure as --enable-OPTION or --disable-OPTION.
AC_DEFUN([RMIRROR_OVS_OPTION], [
  AC_CHECK_HEADER([$2],
    [OVS_OPTIONS="$OVS_OPTIONS --enable-$1"],
    [OVS_OPTIONS="$OVS_OPTIONS --disable-$1"
     AC_MSG_WARN([Open vSwitch is built without $4; for it, install the Debian package $3 and run configure again])])])

# RMIRROR_LINUX_SOURCE
# --------------------
# --with-linux-source: LINUX_SOURCE, as datapath/Makefile wants it; and KDIR.
# Neither is looked at before the modules are built.
AC_DEFUN([RMIRROR_LINUX_SOURCE], [
  AC_ARG_WITH([linux-source],
    [AS_HELP_STRING([--with-linux-source=TARBALL|DIR],
       [source of the kernel that "make datapath" builds openvswitch.ko for
        @<:@that of the Debian package linux-source-X.Y@:>@; without it:
        rmirror.ko alone])],
    [], [with_linux_source=yes])
  AS_CASE([$with_linux_source],
    [yes], [LINUX_SOURCE=installed],
    [no], [LINUX_SOURCE=],
    [/*], [LINUX_SOURCE=$with_linux_source],
    [LINUX_SOURCE=`pwd`/$with_linux_source])
  AC_SUBST([LINUX_SOURCE])
  AC_ARG_VAR([KDIR],
    [build folder of the kernel that "make datapath" builds for
     @<:@/lib/modules/`uname -r`/build@:>@])])
