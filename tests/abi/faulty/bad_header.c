/* Answers with a header that would begin another one. */
#define REQUEST request_split
#include "surface.h"
static void request_split(viaduct_instance* self, uint64_t exchange,
                          const viaduct_http_request* what) {
  const viaduct_pair header = {{"x-note", 6}, {"a\r\nset-cookie: b=c", 20}};
  viaduct_http_response response;
  (void)what;
  memset(&response, 0, sizeof response);
  response.struct_size = sizeof response;
  response.status = 200;
  response.headers = &header;
  response.header_count = 1;
  self->http->respond(self->host, exchange, &response);
}
