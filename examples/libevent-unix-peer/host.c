/* An HTTP server on a UNIX socket, with libevent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

static void answer(struct evhttp_request *request, void *unused) {
  struct evbuffer *body = evbuffer_new();
  (void)unused;
  evbuffer_add_printf(body, "fine\n");
  evhttp_send_reply(request, 200, "OK", body);
  evbuffer_free(body);
}

int main(int argc, char **argv) {
  struct sockaddr_un address;
  struct event_base *base = event_base_new();
  struct evhttp *http = evhttp_new(base);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (argc != 2 || fd < 0) return 2;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  unlink(argv[1]);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0) return 2;
  evutil_make_socket_nonblocking(fd);
  evhttp_set_gencb(http, answer, NULL);
  if (evhttp_accept_socket(http, fd) != 0) return 2;
  puts("ready");
  fflush(stdout);
  return event_base_dispatch(base);
}
