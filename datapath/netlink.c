// SPDX-License-Identifier: GPL-2.0

#include <linux/netlink.h>
#include <linux/rhashtable.h>
#include <net/genetlink.h>
#include <net/netlink.h>

#include "compat.h"
#include "netlink.h"
#include "session.h"

/* Older kernels do not take a const one. */
static struct netlink_range_validation len_range = {
	.min = RMIRROR_LEN_MIN,
	.max = RMIRROR_LEN_MAX,
};

/* The last three are for the userspace datapath. */
static const struct nla_policy attr_policy[RMIRROR_ATTR_DF + 1] = {
	[RMIRROR_ATTR_UNSPEC] = { .type = NLA_REJECT },
	[RMIRROR_ATTR_TARGET_IPV4] = NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[RMIRROR_ATTR_TARGET_IPV6] =
		NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[RMIRROR_ATTR_LEN] = NLA_POLICY_FULL_RANGE(NLA_U32, &len_range),
	[RMIRROR_ATTR_LEN_MTU] = { .type = NLA_FLAG },
	[RMIRROR_ATTR_KEY] = NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[RMIRROR_ATTR_TTL] = NLA_POLICY_MIN(NLA_U8, 1),
	[RMIRROR_ATTR_TOS] = { .type = NLA_U8 },
	[RMIRROR_ATTR_TOS_INHERIT] = { .type = NLA_FLAG },
	[RMIRROR_ATTR_DF] = { .type = NLA_FLAG },
};

/* Parses the RMIRROR_ATTR_* in @attr into @key and, unless that is NULL, *@len,
 * which is RMIRROR_LEN_* or bytes to keep. Returns 0 or a negative error, with
 * the reason in @extack.
 */
int rmirror_attrs_parse(const struct nlattr *attr, struct rmirror_key *key,
			u32 *len, struct netlink_ext_ack *extack)
{
	struct nlattr *tb[RMIRROR_ATTR_DF + 1];
	const struct nlattr *a;
	unsigned long seen = 0;
	int err, rem;

	/* Open vSwitch does not set NLA_F_NESTED. */
	err = __nla_parse(tb, RMIRROR_ATTR_DF, nla_data(attr), nla_len(attr),
			  attr_policy,
			  NL_VALIDATE_STRICT & ~NL_VALIDATE_NESTED, extack);
	if (err)
		return err;
	nla_for_each_nested(a, attr, rem) {
		if (__test_and_set_bit(nla_type(a), &seen)) {
			NL_SET_ERR_MSG_ATTR(extack, a, "attribute given twice");
			return -EINVAL;
		}
	}

	if (!tb[RMIRROR_ATTR_TARGET_IPV4] == !tb[RMIRROR_ATTR_TARGET_IPV6]) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "one target is required, IPv4 or IPv6");
		return -EINVAL;
	}
	if (tb[RMIRROR_ATTR_TOS] && tb[RMIRROR_ATTR_TOS_INHERIT]) {
		NL_SET_ERR_MSG_ATTR(extack, tb[RMIRROR_ATTR_TOS_INHERIT],
				    "TOS is either given or inherited");
		return -EINVAL;
	}
	if (tb[RMIRROR_ATTR_LEN] && tb[RMIRROR_ATTR_LEN_MTU]) {
		NL_SET_ERR_MSG_ATTR(extack, tb[RMIRROR_ATTR_LEN_MTU],
				    "length is either given or that of the MTU");
		return -EINVAL;
	}
	if (!len && (tb[RMIRROR_ATTR_LEN] || tb[RMIRROR_ATTR_LEN_MTU])) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "length is not part of a session");
		return -EINVAL;
	}

	memset(key, 0, sizeof(*key));
	if (tb[RMIRROR_ATTR_TARGET_IPV4])
		ipv6_addr_set_v4mapped(nla_get_be32(tb[RMIRROR_ATTR_TARGET_IPV4]),
				       &key->target);
	else
		key->target = nla_get_in6_addr(tb[RMIRROR_ATTR_TARGET_IPV6]);
	if (tb[RMIRROR_ATTR_TARGET_IPV6] &&
	    ipv6_addr_v4mapped(&key->target)) {
		NL_SET_ERR_MSG_ATTR(extack, tb[RMIRROR_ATTR_TARGET_IPV6],
				    "an IPv4 target has an attribute of its own");
		return -EINVAL;
	}
	if (tb[RMIRROR_ATTR_KEY]) {
		key->flags |= RMIRROR_F_KEY;
		key->key = nla_get_be32(tb[RMIRROR_ATTR_KEY]);
	}
	key->ttl = tb[RMIRROR_ATTR_TTL] ? nla_get_u8(tb[RMIRROR_ATTR_TTL]) :
					  RMIRROR_TTL_DEFAULT;
	if (tb[RMIRROR_ATTR_TOS_INHERIT])
		key->flags |= RMIRROR_F_TOS_INHERIT;
	else
		key->tos = tb[RMIRROR_ATTR_TOS] ?
			   nla_get_u8(tb[RMIRROR_ATTR_TOS]) :
			   RMIRROR_TOS_DEFAULT;
	if (tb[RMIRROR_ATTR_DF])
		key->flags |= RMIRROR_F_DF;
	if (len) {
		*len = RMIRROR_LEN_ALL;
		if (tb[RMIRROR_ATTR_LEN_MTU])
			*len = RMIRROR_LEN_MTU;
		else if (tb[RMIRROR_ATTR_LEN])
			*len = nla_get_u32(tb[RMIRROR_ATTR_LEN]);
	}

	if (!rmirror_key_is_valid(key)) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "target is not a unicast address of a host");
		return -EINVAL;
	}
	return 0;
}

/* Appends the RMIRROR_ATTR_* of @key and @len to @msg, without those that have
 * their default. Returns 0 or -EMSGSIZE.
 */
int rmirror_attrs_put(struct sk_buff *msg, const struct rmirror_key *key,
		      u32 len)
{
	bool inherit = key->flags & RMIRROR_F_TOS_INHERIT;

	if ((rmirror_is_ipv4(key) ?
	     nla_put_be32(msg, RMIRROR_ATTR_TARGET_IPV4,
			  key->target.s6_addr32[3]) :
	     nla_put_in6_addr(msg, RMIRROR_ATTR_TARGET_IPV6, &key->target)) ||
	    (len == RMIRROR_LEN_MTU &&
	     nla_put_flag(msg, RMIRROR_ATTR_LEN_MTU)) ||
	    (len != RMIRROR_LEN_MTU && len != RMIRROR_LEN_ALL &&
	     nla_put_u32(msg, RMIRROR_ATTR_LEN, len)) ||
	    (key->flags & RMIRROR_F_KEY &&
	     nla_put_be32(msg, RMIRROR_ATTR_KEY, key->key)) ||
	    (key->ttl != RMIRROR_TTL_DEFAULT &&
	     nla_put_u8(msg, RMIRROR_ATTR_TTL, key->ttl)) ||
	    (inherit && nla_put_flag(msg, RMIRROR_ATTR_TOS_INHERIT)) ||
	    (!inherit && key->tos != RMIRROR_TOS_DEFAULT &&
	     nla_put_u8(msg, RMIRROR_ATTR_TOS, key->tos)) ||
	    (key->flags & RMIRROR_F_DF && nla_put_flag(msg, RMIRROR_ATTR_DF)))
		return -EMSGSIZE;
	return 0;
}

static struct genl_family rmirror_family;

static const struct nla_policy family_policy[RMIRROR_NLA_MAX + 1] = {
	[RMIRROR_NLA_SESSION] = { .type = NLA_NESTED },
};

/* Appends one session to @msg. */
static int put_session(struct sk_buff *msg, struct rmirror_net *rnet,
		       const struct rmirror_session *session, u32 portid,
		       u32 seq, int flags)
{
	u64 counters[RMIRROR_N_COUNTERS];
	struct nlattr *nest;
	void *hdr;
	int i;

	hdr = genlmsg_put(msg, portid, seq, &rmirror_family, flags,
			  RMIRROR_CMD_GET);
	if (!hdr)
		return -EMSGSIZE;

	nest = nla_nest_start(msg, RMIRROR_NLA_SESSION);
	if (!nest || rmirror_attrs_put(msg, &session->key, RMIRROR_LEN_ALL))
		goto err;
	nla_nest_end(msg, nest);

	nest = nla_nest_start(msg, RMIRROR_NLA_COUNTERS);
	if (!nest)
		goto err;
	rmirror_session_read(rnet, session, counters);
	for (i = 0; i < RMIRROR_N_COUNTERS; i++)
		if (nla_put_u64_64bit(msg, RMIRROR_NLA_COUNTER(i), counters[i],
				      RMIRROR_NLA_PAD))
			goto err;
	nla_nest_end(msg, nest);

	if (nla_put_u32(msg, RMIRROR_NLA_FLOWS,
			atomic_read(&session->n_actions)))
		goto err;
	genlmsg_end(msg, hdr);
	return 0;

err:
	genlmsg_cancel(msg, hdr);
	return -EMSGSIZE;
}

static struct rmirror_net *info_net(struct genl_info *info)
{
	return rmirror_net(genl_info_net(info));
}

/* Finds the session that @info names. Called in an RCU read-side critical
 * section.
 */
static struct rmirror_session *info_session(struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[RMIRROR_NLA_SESSION];
	struct rmirror_session *session;
	struct rmirror_key key;
	int err;

	err = rmirror_attrs_parse(attr, &key, NULL, info->extack);
	if (err)
		return ERR_PTR(err);
	session = rmirror_session_find(info_net(info), &key);
	if (!session) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "no such session in this network namespace");
		return ERR_PTR(-ENOENT);
	}
	return session;
}

static int rmirror_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct rmirror_session *session;
	struct sk_buff *msg;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, RMIRROR_NLA_SESSION)) {
		NL_SET_ERR_MSG(info->extack,
			       "a session is required, or a dump of all");
		return -EINVAL;
	}
	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;

	rcu_read_lock();
	session = info_session(info);
	err = PTR_ERR_OR_ZERO(session);
	if (!err)
		err = put_session(msg, info_net(info), session,
				  info->snd_portid, info->snd_seq, 0);
	rcu_read_unlock();
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return genlmsg_reply(msg, info);
}

/* Keeps the iterator of a dump in netlink_callback's memory. */
struct dump {
	struct rhashtable_iter *iter;
};

static struct dump *dump_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump) > sizeof(cb->ctx));
	return (struct dump *)cb->ctx;
}

static int rmirror_get_start(struct netlink_callback *cb)
{
	struct rmirror_net *rnet = rmirror_net(sock_net(cb->skb->sk));
	struct rhashtable_iter *iter;

	if (nlmsg_attrlen(cb->nlh, GENL_HDRLEN)) {
		NL_SET_ERR_MSG(cb->extack, "a dump takes no attributes");
		return -EINVAL;
	}
	iter = kmalloc(sizeof(*iter), GFP_KERNEL);
	if (!iter)
		return -ENOMEM;
	rhashtable_walk_enter(&rnet->sessions, iter);
	dump_of(cb)->iter = iter;
	return 0;
}

static int rmirror_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct rmirror_net *rnet = rmirror_net(sock_net(skb->sk));
	struct rhashtable_iter *iter = dump_of(cb)->iter;
	struct rmirror_session *session;
	int err = 0;

	rhashtable_walk_start(iter);
	for (session = rhashtable_walk_peek(iter); session;
	     session = rhashtable_walk_next(iter)) {
		if (IS_ERR(session)) {
			/* The table was resized: some may come twice. */
			if (PTR_ERR(session) == -EAGAIN)
				continue;
			err = PTR_ERR(session);
			break;
		}
		err = put_session(skb, rnet, session,
				  NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (err)
			break;
	}
	rhashtable_walk_stop(iter);
	return err == -EMSGSIZE && skb->len ? skb->len : err;
}

static int rmirror_get_done(struct netlink_callback *cb)
{
	struct rhashtable_iter *iter = dump_of(cb)->iter;

	rhashtable_walk_exit(iter);
	kfree(iter);
	return 0;
}

static int rmirror_get_info_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct rmirror_net *rnet = info_net(info);
	struct sk_buff *msg;
	void *hdr;

	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &rmirror_family, 0,
				RMIRROR_CMD_GET_INFO);
	if (!hdr ||
	    nla_put_u32(msg, RMIRROR_NLA_N_SESSIONS,
			READ_ONCE(rnet->n_sessions)) ||
	    nla_put_u32(msg, RMIRROR_NLA_MAX_SESSIONS,
			READ_ONCE(rmirror_max_sessions)) ||
	    nla_put_u64_64bit(msg, RMIRROR_NLA_NO_SESSION,
			      atomic64_read(&rnet->no_session),
			      RMIRROR_NLA_PAD)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static int rmirror_reset_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct rmirror_session *session;
	int err;

	if (!info->attrs[RMIRROR_NLA_SESSION]) {
		rmirror_net_reset(info_net(info));
		return 0;
	}
	rcu_read_lock();
	session = info_session(info);
	err = PTR_ERR_OR_ZERO(session);
	if (!err)
		rmirror_session_reset(info_net(info), session);
	rcu_read_unlock();
	return err;
}

static int rmirror_flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	if (info->attrs[RMIRROR_NLA_SESSION]) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[RMIRROR_NLA_SESSION],
				    "sessions are flushed all at once");
		return -EINVAL;
	}
	rmirror_net_flush(info_net(info));
	return 0;
}

static const struct genl_ops rmirror_ops[] = {
	{
		.cmd = RMIRROR_CMD_GET,
		.doit = rmirror_get_doit,
		.start = rmirror_get_start,
		.dumpit = rmirror_get_dumpit,
		.done = rmirror_get_done,
	}, {
		.cmd = RMIRROR_CMD_GET_INFO,
		.doit = rmirror_get_info_doit,
	}, {
		.cmd = RMIRROR_CMD_RESET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = rmirror_reset_doit,
	}, {
		.cmd = RMIRROR_CMD_FLUSH,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = rmirror_flush_doit,
	},
};

static struct genl_family rmirror_family __ro_after_init = {
	.name = RMIRROR_GENL_NAME,
	.version = RMIRROR_GENL_VERSION,
	.maxattr = RMIRROR_NLA_MAX,
	.policy = family_policy,
	.ops = rmirror_ops,
	.n_ops = ARRAY_SIZE(rmirror_ops),
	.module = THIS_MODULE,
	.netnsok = true,
	RMIRROR_GENL_STRICT_FROM(RMIRROR_CMD_GET)
};

int rmirror_netlink_init(void)
{
	return genl_register_family(&rmirror_family);
}

void rmirror_netlink_exit(void)
{
	genl_unregister_family(&rmirror_family);
}
