/* Nothing but the answer: what running a program of each type costs at least. */
#include "bench.h"

SEC("socket")
int empty_socket(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc")
int empty_tc(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

SEC("xdp")
int empty_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}
