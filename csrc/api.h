/*
 * The C core's interface, read twice: included by every .c file, and parsed by cffi, for which build_ffi.py puts in what is
 * included here. So there are declarations only, and no preprocessor beyond these lines.
 *
 * Functions return 0 or a non-negative result, or -errno. Nothing here prints, allocates behind the caller's
 * back without a matching destroy, keeps globals, or knows of Python.
 */

#include "api/code.h"
#include "api/handles.h"
#include "api/load.h"
#include "api/maps.h"
#include "api/queues.h"
#include "api/user_rings.h"
#include "api/vm.h"
#include "api/vm_maps.h"
#include "api/captures.h"
