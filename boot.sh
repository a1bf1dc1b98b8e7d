#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes ./configure and its companions from configure.ac and Makefile.am.
# Needed in a git checkout only: release archives contain the result.

set -e
cd "$(dirname "$0")"
if ! command -v autoreconf >/dev/null || ! command -v libtoolize >/dev/null
then
    echo "boot.sh: autoconf, automake or libtool is missing: as root, run" \
         "scripts/packages --install build" >&2
    exit 1
fi
exec autoreconf --install --force
