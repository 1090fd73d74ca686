/*
 * Sends packets, and counts them with a compiled packet_counter.bpf.c:
 *
 *   packets flood live|socket IFINDEX SECONDS   frames of 64 flows out of a device, as fast as can be: by the kernel's own
 *                                               live frames, or by a packet socket; as JSON {"sent", "ns"}
 *   packets run OBJECT PROGRAM FRAME REPEAT     BPF_PROG_TEST_RUN on a frame in hex; {"insns", "ns", "packets", "bytes"}
 *   packets count OBJECT PROGRAM IFINDEX        attaches the program and says "ready"; for each line on stdin tells what
 *                                               was counted so far, {"packets", "bytes"}; detaches at the end of stdin
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user.h"

#define MAX_FRAME 2048
#define FLOWS 64 /* a power of two */
#define AT_ONCE 64
#define A_CALL 500000 /* making the pages and waiting for RCU take milliseconds for each call */
#define PORT_AT 34 /* of a UDP header behind Ethernet and IPv4 */

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

struct total {
	unsigned long long packets, bytes;
};

/* UDP from 192.168.1.10:1024 to 192.168.1.20:53. */
static unsigned char frame[64] = {
	2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
	0x45, 0, 0, 50, 0, 1, 0, 0, 64, 17, 0xf7, 0x49, 192, 168, 1, 10, 192, 168, 1, 20,
	4, 0, 0, 53, 0, 30, 0, 0,
};

/* Sending */

static int packet_socket(int protocol, int ifindex)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = protocol, .sll_ifindex = ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || bind(fd, (void *)&at, sizeof(at)))
		fail("packet socket");
	return fd;
}

static unsigned long long flood_socket(int ifindex, long long end)
{
	struct mmsghdr messages[AT_ONCE] = {};
	struct iovec parts[AT_ONCE];
	unsigned char frames[AT_ONCE][sizeof(frame)];
	unsigned long long sent = 0;
	int fd = packet_socket(0, ifindex), yes = 1;

	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)))
		fail("PACKET_QDISC_BYPASS");
	for (int i = 0; i < AT_ONCE; i++) {
		memcpy(frames[i], frame, sizeof(frame));
		frames[i][PORT_AT + 1] = i % FLOWS;
		parts[i] = (struct iovec){ frames[i], sizeof(frame) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (now() < end) {
		int n = sendmmsg(fd, messages, AT_ONCE, 0);

		if (n > 0)
			sent += n;
		else if (errno != ENOBUFS)
			fail("sendmmsg");
	}
	return sent;
}

static unsigned long long flood_live(int ifindex, long long end)
{
	/* *(u8 *)(data + PORT_AT + 1) = get_prandom_u32() % FLOWS; return XDP_TX; */
	struct bpf_insn send[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_prandom_u32 },
		{ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = BPF_REG_0, .imm = FLOWS - 1 },
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_6,
		  .off = offsetof(struct xdp_md, data) },
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_6,
		  .off = offsetof(struct xdp_md, data_end) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_4, .src_reg = BPF_REG_2 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_4, .imm = PORT_AT + 2 },
		{ .code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = BPF_REG_4, .src_reg = BPF_REG_3, .off = 1 },
		{ .code = BPF_STX | BPF_MEM | BPF_B, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_0, .off = PORT_AT + 1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_TX },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct xdp_md ctx = { .data_end = sizeof(frame), .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = A_CALL, .batch_size = AT_ONCE,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "send", "GPL", send, sizeof(send) / sizeof(send[0]), NULL);
	unsigned long long sent = 0;

	if (fd < 0)
		fail("BPF_PROG_LOAD");
	for (; now() < end; sent += A_CALL)
		if (bpf_prog_test_run_opts(fd, &options))
			fail("live frames");
	return sent;
}

static void flood(const char *how, int ifindex, double seconds)
{
	long long begin = now(), end = begin + (long long)(seconds * 1e9);
	unsigned long long sent = strcmp(how, "live") ? flood_socket(ifindex, end) : flood_live(ifindex, end);

	printf("{\"sent\": %llu, \"ns\": %lld}\n", sent, now() - begin);
}

/* Counting */

static struct bpf_object *load(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);

	if (!object || bpf_object__load(object))
		fail(path);
	return object;
}

static struct bpf_program *find(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		fail(name);
	return program;
}

static struct total counted(struct bpf_object *object)
{
	int cpus = libbpf_num_possible_cpus();
	struct total *each = calloc(cpus, sizeof(*each)), sum = {};
	unsigned int zero = 0;

	if (!each || bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, "total"), &zero, each))
		fail("total");
	for (int i = 0; i < cpus; i++) {
		sum.packets += each[i].packets;
		sum.bytes += each[i].bytes;
	}
	free(each);
	return sum;
}

static void run(char **argv)
{
	unsigned char data[MAX_FRAME];
	struct bpf_object *object = load(argv[2]);
	struct bpf_program *program = find(object, argv[3]);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = data, .repeat = atoi(argv[5]));
	struct total sum;

	options.data_size_in = strlen(argv[4]) / 2;
	if (options.data_size_in > sizeof(data))
		fail("the frame is too long");
	for (unsigned int i = 0; i < options.data_size_in; i++)
		if (sscanf(argv[4] + 2 * i, "%2hhx", &data[i]) != 1)
			fail(argv[4]);
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &options))
		fail("BPF_PROG_TEST_RUN");
	sum = counted(object);
	printf("{\"insns\": %zu, \"ns\": %u, \"packets\": %llu, \"bytes\": %llu}\n", bpf_program__insn_cnt(program),
	       options.duration, sum.packets, sum.bytes);
}

static void count(const char *path, const char *name, int ifindex)
{
	struct bpf_object *object = load(path);
	struct bpf_program *program = find(object, name);
	int fd = bpf_program__fd(program);
	char line[16];

	if (bpf_program__get_type(program) == BPF_PROG_TYPE_XDP) {
		if (bpf_link_create(fd, ifindex, BPF_XDP, &(struct bpf_link_create_opts){
				.sz = sizeof(struct bpf_link_create_opts), .flags = XDP_FLAGS_DRV_MODE }) < 0)
			fail("XDP");
	} else if (setsockopt(packet_socket(htons(ETH_P_ALL), ifindex), SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd))) {
		fail("SO_ATTACH_BPF");
	}
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		struct total sum = counted(object);

		printf("{\"packets\": %llu, \"bytes\": %llu}\n", sum.packets, sum.bytes);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL & ~LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK);
	libbpf_set_print(print_warnings);
	if (argc == 5 && !strcmp(argv[1], "flood"))
		flood(argv[2], atoi(argv[3]), atof(argv[4]));
	else if (argc == 6 && !strcmp(argv[1], "run"))
		run(argv);
	else if (argc == 5 && !strcmp(argv[1], "count"))
		count(argv[2], argv[3], atoi(argv[4]));
	else
		return fprintf(stderr, "usage: see the head of packets.c\n"), 2;
	return 0;
}
