#include "check.h"

int main(void)
{
	check_encode();
	check_ring();
	check_maps();
	puts("ok");
	return 0;
}
