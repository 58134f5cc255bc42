#ifndef CARILLON_VERSION_H
#define CARILLON_VERSION_H

/// The commit the program was built from, as Package.swift found it; "unknown" outside of a git repository.
extern const char *const carillon_commit;

#endif
