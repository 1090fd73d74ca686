/* All checks, or those alone that the arguments name. */
#include "check.h"

static const struct {
	const char *name;
	void (*run)(void);
} checks[] = {
	{ "encode", check_encode }, { "ring", check_ring }, { "ringbuf", check_ringbuf }, { "userring", check_userring },
	{ "maps", check_maps }, { "vm_fuzz", check_vm_fuzz }, { "vmmaps", check_vmmaps }, { "btf", check_btf },
	{ "pcap", check_pcap }, { "threads", check_threads },
};

static int is_wanted(const char *name, int n, char *const *names)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return 1;
	return n == 0;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		if (is_wanted(checks[i].name, argc - 1, argv + 1))
			checks[i].run();
	puts("ok");
	return 0;
}
