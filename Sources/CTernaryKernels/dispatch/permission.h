// Private: what an operating system has to be asked for before kernels of a set may run.

#ifndef TK_PERMISSION_H
#define TK_PERMISSION_H

/// Asks for the tile registers of AMX, for the whole process; NULL where it has them now, else why
/// not.
const char *tk_permit_amx(void);

#endif
