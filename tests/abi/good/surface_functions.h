/* What the surface of this folder does. */
#include "common.h"

enum { kHello = 1, kEcho, kItem, kStream, kAsk, kSocket };
enum { kSlots = 64 };

/* What waits for an answer of the host, and which sockets watch a session. */
typedef struct slot {
  uint64_t call, exchange, subscription;
} slot;

struct viaduct_instance {
  const viaduct_host* host;
  const viaduct_http* http;
  const viaduct_sessions* sessions;
  slot asks[kSlots];
  slot watches[kSlots];
  uint64_t next;
};

static const viaduct_file files[] = {
    {{"/", 1}, {"text/html; charset=utf-8", 24}, {"<!doctype html><p>hello", 23}, {NULL, 0}, 0, 0}};

static void respond(viaduct_instance* self, uint64_t exchange, uint32_t status, viaduct_str body) {
  const viaduct_pair header = {{"content-type", 12}, {"application/json", 16}};
  viaduct_http_response response;
  memset(&response, 0, sizeof response);
  response.struct_size = sizeof response;
  response.status = status;
  response.headers = &header;
  response.header_count = 1;
  response.body = body;
  self->http->respond(self->host, exchange, &response);
}

static slot* taken(slot* slots, uint64_t exchange) {
  size_t i;
  for (i = 0; i < kSlots; ++i) {
    if (slots[i].exchange == exchange) return &slots[i];
  }
  return NULL;
}

static int utf8(viaduct_str text) {
  size_t i = 0;
  while (i < text.size) {
    unsigned char lead = (unsigned char)text.data[i];
    size_t more = lead < 0x80 ? 0 : lead < 0xC2 ? 9 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    if (lead > 0xF4 || more == 9 || text.size - i <= more) return 0;
    for (++i; more > 0; --more, ++i) {
      if (((unsigned char)text.data[i] & 0xC0) != 0x80) return 0;
    }
  }
  return 1;
}

/* "ask" sends the body to a new session and answers with what comes back. */
static void ask(viaduct_instance* self, uint64_t exchange, const viaduct_principal* who) {
  slot* free_slot = taken(self->asks, 0);
  if (!VIADUCT_HAS(self->sessions, create)) {
    respond(self, exchange, 503, str("{\"error\":\"no sessions\"}"));
  } else if (free_slot == NULL) {
    respond(self, exchange, 429, str("{\"error\":\"busy\"}"));
  } else {
    free_slot->exchange = exchange;
    free_slot->call = ++self->next;
    self->sessions->create(self->host, free_slot->call, who, str("{}"));
  }
}

static void request(viaduct_instance* self, uint64_t exchange, const viaduct_http_request* what) {
  switch (what->route) {
    case kHello: respond(self, exchange, 200, str("{\"hello\":true}")); return;
    case kEcho:
      if (!is_object(what->body) || !utf8(what->body)) {
        respond(self, exchange, 400, str("{\"error\":\"not a JSON object\"}"));
      } else {
        respond(self, exchange, 200, what->body);
      }
      return;
    case kItem: respond(self, exchange, 200, what->params[0].value); return;
    case kAsk: ask(self, exchange, what->who); return;
    case kSocket: self->http->accept(self->host, exchange); return;
    default: {
      viaduct_http_response head;
      memset(&head, 0, sizeof head);
      head.struct_size = sizeof head;
      head.status = 200;
      self->http->begin(self->host, exchange, &head);
      self->http->write(self->host, exchange, str("one "));
      self->http->write(self->host, exchange, str("two"));
      self->http->finish(self->host, exchange);
    }
  }
}

static void message(viaduct_instance* self, uint64_t exchange, viaduct_str text) {
  if (equals(text, "bye")) {
    self->http->close(self->host, exchange, 4000, str("as you wish"));
  } else if (begins(text, "watch ") && VIADUCT_HAS(self->sessions, subscribe)) {
    slot* watch = taken(self->watches, 0);
    viaduct_principal who;
    viaduct_cursor cursor = {0, 0};
    viaduct_str session = {text.data + 6, text.size - 6};
    if (watch == NULL || taken(self->watches, exchange) != NULL) return;
    memset(&who, 0, sizeof who);
    who.struct_size = sizeof who;
    who.user_id = str("local");
    watch->exchange = exchange;
    watch->subscription = ++self->next;
    watch->call = ++self->next;
    self->sessions->subscribe(self->host, watch->call, &who, session, watch->subscription, &cursor);
  } else {
    self->http->send(self->host, exchange, text);
  }
}

static void writable(viaduct_instance* self, uint64_t exchange) {
  slot* watch = taken(self->watches, exchange);
  if (watch != NULL) self->sessions->proceed(self->host, watch->subscription);
}

static void closed(viaduct_instance* self, uint64_t exchange, uint16_t code, viaduct_str reason) {
  slot* watch = taken(self->watches, exchange);
  slot* asked = taken(self->asks, exchange);
  (void)code;
  (void)reason;
  if (watch != NULL) {
    self->sessions->unsubscribe(self->host, watch->subscription);
    memset(watch, 0, sizeof *watch);
  }
  if (asked != NULL) memset(asked, 0, sizeof *asked);
}

static viaduct_flow change(viaduct_instance* self, uint64_t subscription,
                           const viaduct_change* what) {
  size_t i;
  for (i = 0; i < kSlots; ++i) {
    if (self->watches[i].exchange != 0 && self->watches[i].subscription == subscription) {
      return self->http->send(self->host, self->watches[i].exchange, what->json) ==
                     VIADUCT_FLOW_BUSY
                 ? VIADUCT_FLOW_BUSY
                 : VIADUCT_FLOW_OK;
    }
  }
  return VIADUCT_FLOW_OK;
}

static void unsubscribed(viaduct_instance* self, uint64_t subscription,
                         const viaduct_status* status) {
  size_t i;
  for (i = 0; i < kSlots; ++i) {
    if (self->watches[i].exchange != 0 && self->watches[i].subscription == subscription) {
      uint64_t exchange = self->watches[i].exchange;
      memset(&self->watches[i], 0, sizeof self->watches[i]);
      self->http->close(self->host, exchange, 4001, status->message);
    }
  }
}

static viaduct_instance* create(const viaduct_host* host, viaduct_str config) {
  viaduct_instance* self;
  const viaduct_http* http = host->service(host, VIADUCT_HTTP);
  if (!is_object(config)) {
    fail(host, VIADUCT_E_INVALID_ARGUMENT, "the configuration is no JSON object");
    return NULL;
  }
  if (http == NULL) {
    fail(host, VIADUCT_E_FAILED_PRECONDITION, "this host has no " VIADUCT_HTTP);
    return NULL;
  }
  self = calloc(1, sizeof *self);
  self->host = host;
  self->http = http;
  self->sessions = host->service(host, VIADUCT_SESSIONS);
  return self;
}

static void start(viaduct_instance* self, uint64_t call) {
  const viaduct_http* http = self->http;
  const viaduct_host* host = self->host;
  http->files(host, files, 1);
  http->route(host, str("GET"), str("/hello"), 0, kHello);
  http->route(host, str("POST"), str("/echo"), 0, kEcho);
  http->route(host, str("GET"), str("/items/{id}"), 0, kItem);
  http->route(host, str("GET"), str("/stream"), 0, kStream);
  http->route(host, str("POST"), str("/ask"), 0, kAsk);
  http->route(host, str("GET"), str("/ws"), VIADUCT_ROUTE_WEBSOCKET, kSocket);
  complete(host, call, VIADUCT_OK, "", "");
}

static void stop(viaduct_instance* self, uint64_t call) {
  size_t i;
  for (i = 0; i < kSlots; ++i) {
    if (self->asks[i].exchange != 0) {
      respond(self, self->asks[i].exchange, 503, str("{\"error\":\"the surface stops\"}"));
    }
    memset(&self->asks[i], 0, sizeof self->asks[i]);
    memset(&self->watches[i], 0, sizeof self->watches[i]);
  }
  complete(self->host, call, VIADUCT_OK, "", "");
}

static void destroy(viaduct_instance* self) {
  free(self);
}

static void completed(viaduct_instance* self, uint64_t call, const viaduct_status* status,
                      viaduct_str result) {
  size_t i;
  for (i = 0; i < kSlots; ++i) {
    if (self->asks[i].call == call && self->asks[i].exchange != 0) {
      uint64_t exchange = self->asks[i].exchange;
      memset(&self->asks[i], 0, sizeof self->asks[i]);
      if (status->code == VIADUCT_OK) {
        respond(self, exchange, 200, result);
      } else {
        respond(self, exchange, 503, str("{\"error\":\"failed\"}"));
      }
      return;
    }
    if (self->watches[i].call == call && self->watches[i].exchange != 0 &&
        status->code != VIADUCT_OK) {
      uint64_t exchange = self->watches[i].exchange;
      memset(&self->watches[i], 0, sizeof self->watches[i]);
      self->http->close(self->host, exchange, 4004, status->message);
      return;
    }
  }
}
