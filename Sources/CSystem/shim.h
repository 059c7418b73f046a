// The C library as these tools use it, in one module: `import CSystem` is the only system import in Sources, so that
// no file needs to know whether Glibc, Musl or Darwin is underneath.
#pragma once
// No feature macro is defined here: with other ones than Glibc's own module has, the same structure would exist twice.
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/timex.h>
#endif

// Macros, variadic functions and the unions of <sys/socket.h>, which Swift cannot use, as functions.

static inline int currentErrno(void) { return errno; }

static inline int setCloseOnExec(int descriptor) { return fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

static inline int setNonBlocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

static inline int connectSocket(int descriptor, const struct sockaddr *address, socklen_t length) {
  return connect(descriptor, address, length);
}

static inline int bindSocket(int descriptor, const struct sockaddr *address, socklen_t length) {
  return bind(descriptor, address, length);
}

// A file or a folder that programs which we start do not get; a file that is made is for its owner only.
static inline int openIn(int folder, const char *name, int flags) {
  return openat(folder, name, flags | O_CLOEXEC, S_IRUSR | S_IWUSR);
}

static inline struct timespec modificationTime(struct stat status) {
#if defined(__APPLE__)
  return status.st_mtimespec;
#else
  return status.st_mtim;
#endif
}

static inline int socketName(int descriptor, struct sockaddr *address, socklen_t *length) {
  return getsockname(descriptor, address, length);
}

static inline int peerName(int descriptor, struct sockaddr *address, socklen_t *length) {
  return getpeername(descriptor, address, length);
}

// The next connection to a listening socket; like the sockets of makeStreamSocket.
static inline int acceptSocket(int listener) {
#if defined(__linux__)
  // Its declaration hangs on a feature macro.
  extern int accept4(int, struct sockaddr *, socklen_t *, int);
  return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  int descriptor = accept(listener, NULL, NULL);
  if (descriptor >= 0) {
    int on = 1;
    setNonBlocking(descriptor);
    setCloseOnExec(descriptor);
    setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
  }
  return descriptor;
#endif
}

// A stream socket that does not block and is not handed to programs that we start.
static inline int makeStreamSocket(int family) {
#if defined(__linux__)
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
  int descriptor = socket(family, SOCK_STREAM, 0);
  if (descriptor >= 0) {
    int on = 1;
    setNonBlocking(descriptor);
    setCloseOnExec(descriptor);
    setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
  }
  return descriptor;
#endif
}

// send(2) that never raises SIGPIPE.
static inline ssize_t sendQuietly(int descriptor, const void *bytes, size_t count) {
#if defined(__linux__)
  return send(descriptor, bytes, count, MSG_NOSIGNAL);
#else
  return send(descriptor, bytes, count, 0);
#endif
}

// Bytes that were sent and that the other machine has not acknowledged; -1 where the system does not tell.
static inline int unacknowledgedBytes(int descriptor) {
#if defined(__linux__)
  int count = 0;
  return ioctl(descriptor, SIOCOUTQ, &count) == 0 ? count : -1;
#else
  return -1;
#endif
}

// Lets the calling thread be woken when its time has come. Otherwise the system saves power by up to 50 microseconds.
static inline void wakePunctually(void) {
#if defined(__linux__)
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
#endif
}

// What the system knows of a TCP connection, as far as we ask. Times are in microseconds.
struct TransportCounts {
  uint32_t roundTrip;
  uint32_t smallestRoundTrip;
  uint32_t retransmits;
  uint32_t segmentsSent;
};

// Returns 0 where the system does not tell.
static inline int transportCounts(int descriptor, struct TransportCounts *counts) {
#if defined(__linux__)
  // struct tcp_info of <linux/tcp.h>, which cannot be included beside <netinet/tcp.h>: it only ever grows at its end.
  unsigned char info[160];
  socklen_t size = sizeof info;
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, info, &size) != 0 || size < 152) return 0;
  memcpy(&counts->roundTrip, info + 68, 4);
  memcpy(&counts->retransmits, info + 100, 4);
  memcpy(&counts->segmentsSent, info + 136, 4);
  memcpy(&counts->smallestRoundTrip, info + 148, 4);
  return 1;
#else
  return 0;
#endif
}

// The soft limit of descriptors, after it was raised to `wanted` as far as the hard limit allows.
static inline long raiseDescriptorLimit(long wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return LONG_MAX;
  if (limit.rlim_cur == RLIM_INFINITY) return LONG_MAX;
  if ((rlim_t)wanted > limit.rlim_cur) {
    struct rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > (rlim_t)wanted ? (rlim_t)wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur > LONG_MAX ? LONG_MAX : (long)limit.rlim_cur;
}

#if defined(__linux__)
// Whether the wall clock is kept in step with others.
static inline int clockIsSynchronized(void) {
  struct timex state = {0};
  return adjtimex(&state) != TIME_ERROR;
}
#endif

// Waits for descriptors; a negative time means for ever.
static inline int pollFor(struct pollfd *entries, nfds_t count, int64_t nanoseconds) {
#if defined(__linux__)
  // Its declaration hangs on a feature macro.
  extern int ppoll(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
  struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  return ppoll(entries, count, nanoseconds < 0 ? NULL : &time, NULL);
#else
  // Rounded up: waking before the deadline would only mean waiting again.
  int64_t milliseconds = nanoseconds / 1000000 + (nanoseconds % 1000000 > 0);
  return poll(entries, count, nanoseconds < 0 ? -1 : milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
#endif
}

#if defined(__linux__)
// epoll(7), whose event holds a union.
struct EpollFound {
  uint64_t token;
  uint32_t events;
};

static inline int changeEpoll(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data = {.u64 = token}};
  return epoll_ctl(epoll, operation, descriptor, &event);
}

// What is ready now, 64 at most.
static inline int lookAtEpoll(int epoll, struct EpollFound found[64]) {
  struct epoll_event events[64];
  int count = epoll_wait(epoll, events, 64, 0);
  for (int index = 0; index < count; index++) {
    found[index].token = events[index].data.u64;
    found[index].events = events[index].events;
  }
  return count;
}
#endif

// A pipe whose ends are not handed to programs that we start.
static inline int makePipe(int ends[2]) {
#if defined(__linux__)
  return pipe2(ends, O_CLOEXEC);
#else
  if (pipe(ends) != 0) return -1;
  setCloseOnExec(ends[0]);
  setCloseOnExec(ends[1]);
  return 0;
#endif
}

// A thread that nobody waits for and that takes no signals: they are the main thread's, and interrupt its waiting.
static inline int startQuietThread(void *(*body)(void *), void *argument) {
  sigset_t all, before;
  pthread_attr_t attributes;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int code = pthread_create(&thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return code;
}

static inline int lookUpStreamAddresses(const char *host, const char *port, struct addrinfo **list) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  return getaddrinfo(host, port, &hints, list);
}

// Record type and class of RFC 1035 and RFC 2782.
static const int DNSTypeSRV = 33;
static const int DNSClassIN = 1;

// Asks the DNS for records of a full name, as the system is set up for it.
//
// Returns the length of the answer; -1 with the reason, as h_errno has it, where there are no such records.
static inline int askDNS(const char *name, int type, unsigned char *answer, int capacity, int *reason) {
  struct __res_state state;
  memset(&state, 0, sizeof state);
  *reason = NETDB_INTERNAL;
  if (res_ninit(&state) != 0) return -1;
  int length = res_nquery(&state, name, DNSClassIN, type, answer, capacity);
  *reason = state.res_h_errno;
  res_nclose(&state);
  return length < capacity ? length : capacity;
}
