// SPDX-License-Identifier: GPL-2.0
/*
 * There is hardly a host without any hook for the packets that it sends:
 * openvswitch.ko alone has conntrack's in each network namespace, and AppArmor
 * adds one. But these let a copy pass as it is, since it is untracked and has
 * no security mark. A copy need not take the long way for them.
 *
 * Which hook is which can only be told by the name of its function. It is looked
 * up when a hook is seen for the first time, and remembered; what has another
 * name, or none, counts as a packet filter.
 */

#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/string.h>
#include <net/net_namespace.h>

#include "netfilter.h"

/* Names as sprint_symbol_no_offset() has them, but for what is built in: the
 * module goes without saying.
 */
static const char * const passing_names[] = {
	"apparmor_ip_postroute",
	"apparmor_ipv4_postroute",
	"apparmor_ipv6_postroute",
	"ipv4_conntrack_defrag [nf_defrag_ipv4]",
	"ipv4_conntrack_local [nf_conntrack]",
	"ipv4_confirm [nf_conntrack]",
	"ipv6_defrag [nf_defrag_ipv6]",
	"ipv6_conntrack_local [nf_conntrack]",
	"ipv6_confirm [nf_conntrack]",
	"nf_confirm [nf_conntrack]",
};

/* Hooks whose name is known, by whether they let every copy pass. One that finds
 * no room counts as a packet filter.
 */
#define MAX_HOOKS 16

static nf_hookfn *passing[MAX_HOOKS];
static nf_hookfn *filtering[MAX_HOOKS];

static bool is_in(nf_hookfn * const *hooks, nf_hookfn *hook)
{
	int i;

	for (i = 0; i < MAX_HOOKS; i++) {
		nf_hookfn *known = READ_ONCE(hooks[i]);

		if (known == hook)
			return true;
		if (!known)
			break;
	}
	return false;
}

static void remember(nf_hookfn **hooks, nf_hookfn *hook)
{
	int i;

	for (i = 0; i < MAX_HOOKS; i++) {
		nf_hookfn *known = cmpxchg(&hooks[i], NULL, hook);

		if (!known || known == hook)
			break;
	}
}

static bool has_passing_name(nf_hookfn *hook)
{
	char symbol[KSYM_SYMBOL_LEN];
	int i;

	sprint_symbol_no_offset(symbol, (unsigned long)hook);
	for (i = 0; i < ARRAY_SIZE(passing_names); i++) {
		const char *name = passing_names[i];

		if (!strcmp(symbol, name) ||
		    (!strchr(symbol, ' ') &&
		     str_has_prefix(name, symbol) == strcspn(name, " ")))
			return true;
	}
	return false;
}

static noinline bool learn(nf_hookfn *hook)
{
	bool passes = false;

	if (!READ_ONCE(filtering[MAX_HOOKS - 1])) {
		passes = has_passing_name(hook);
		remember(passes ? passing : filtering, hook);
	}
	return passes;
}

static bool let_pass(const struct nf_hook_entries *entries)
{
	int i;

	if (!entries)
		return true;
	for (i = 0; i < entries->num_hook_entries; i++) {
		nf_hookfn *hook = entries->hooks[i].hook;

		if (likely(is_in(passing, hook)))
			continue;
		if (is_in(filtering, hook) || !learn(hook))
			return false;
	}
	return true;
}

/* Tells whether there is a packet filter, or the like, for the IPv4 or IPv6
 * packets that @net sends, which might do something to a copy. The caller is in
 * an RCU read-side critical section.
 */
bool rmirror_is_filtered(const struct net *net, bool is_ipv4)
{
	struct nf_hook_entries __rcu * const *hooks =
		is_ipv4 ? net->nf.hooks_ipv4 : net->nf.hooks_ipv6;

	return !let_pass(rcu_dereference(hooks[NF_INET_LOCAL_OUT])) ||
	       !let_pass(rcu_dereference(hooks[NF_INET_POST_ROUTING]));
}

/* Forgets all hooks when a module goes: other functions may come to be where its
 * hooks were. It has unregistered them, and who still saw them is waited for, so
 * that nobody remembers them afterwards.
 */
static int module_event(struct notifier_block *nb, unsigned long event,
			void *module)
{
	int i;

	if (event != MODULE_STATE_GOING)
		return NOTIFY_DONE;
	synchronize_rcu();
	for (i = MAX_HOOKS - 1; i >= 0; i--) {
		WRITE_ONCE(passing[i], NULL);
		WRITE_ONCE(filtering[i], NULL);
	}
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = {
	.notifier_call = module_event,
};

int rmirror_netfilter_init(void)
{
	return register_module_notifier(&module_notifier);
}

void rmirror_netfilter_exit(void)
{
	unregister_module_notifier(&module_notifier);
}
