#pragma once
// What Linux has and Swift's Glibc module does not carry over: GNU extensions and the headers it leaves out.
#include <sys/epoll.h>
#include <sys/eventfd.h>

/// accept4(2).
int accept4(int, void *, unsigned int *, int);

/// prctl(2).
int prctl(int, ...);

/// Names the calling thread (PR_SET_NAME); the kernel keeps 15 bytes.
static inline void carillon_name_thread(const char *name) { prctl(15, name, 0, 0, 0); }

/// TCP_USER_TIMEOUT of <linux/tcp.h>, which cannot be included beside <netinet/tcp.h>.
static const int carillon_tcp_user_timeout = 18;
/// IP_BIND_ADDRESS_NO_PORT of <linux/in.h>.
static const int carillon_ip_bind_address_no_port = 24;
