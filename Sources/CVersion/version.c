#include "version.h"

#ifndef CARILLON_COMMIT
#define CARILLON_COMMIT "unknown"
#endif

const char *const carillon_commit = CARILLON_COMMIT;
