/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open vSwitch logs what it refuses, which is most of what a target gives it.
 */

#include <config.h>

#include "openvswitch/vlog.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc OVS_UNUSED, char ***argv OVS_UNUSED)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return 0;
}
