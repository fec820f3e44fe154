/* Linked in place of the C library's functions of the same names (`--wrap`, in build). Those would load modules
 * that /etc/nsswitch.conf names, built for the host's own C library, into a binary that is static. The plugin
 * looks names up by itself and calls neither; the standard library holds the call all the same. */

struct addrinfo;

/* EAI_FAIL: no answer, and none later. */
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  (void)node, (void)service, (void)hints, (void)found;
  return -4;
}

void __wrap_freeaddrinfo(struct addrinfo *found) { (void)found; }
