// Tile registers under Linux. A process begins without them, since they make every signal frame
// larger than the stacks that old programs have for signals; the first tile instruction of one that
// has not asked is SIGILL.

#if defined(__x86_64__) && defined(__linux__)

// For the declaration of syscall().
#define _GNU_SOURCE

#include "dispatch/permission.h"

#include <stddef.h>

#if defined(TK_EMULATE_AMX)

const char *tk_permit_amx(void) { return NULL; }

#else

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  REQUEST_PERMISSION = 0x1023, // ARCH_REQ_XCOMP_PERM of <asm/prctl.h>, which older headers lack
  TILE_DATA = 18,              // the state component of the tiles
};

const char *tk_permit_amx(void) {
  const int before = errno;
  if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0) {
    return NULL;
  }
  const int error = errno;
  errno = before;
  switch (error) {
  case EINVAL:
  case ENOSYS:
  case EOPNOTSUPP:
    return "this Linux does not offer AMX tiles (5.16 and later do)";
  case ENOSPC:
    return "Linux refuses AMX tiles: the signal stack of a thread is too small for them";
  default:
    return "Linux refuses AMX tiles to this process";
  }
}

#endif

#endif
