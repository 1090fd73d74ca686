#include "check.h"

int main(void)
{
	check_encode();
	check_ring();
	check_ringbuf();
	check_userring();
	check_maps();
	check_vm_fuzz();
	check_vmmaps();
	check_btf();
	check_pcap();
	puts("ok");
	return 0;
}
