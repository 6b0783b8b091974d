/* A minimal surface in plain C: a page with one question and one answer.
 *   POST /sessions             a new conversation: SESSION, as in SESSION-JSON.md
 *   POST /sessions/{id}/ask    the body is the message: {"turn","stop_reason","text"}
 * It is called on one thread, its own, so it needs no lock. */
#include <stdlib.h>
#include <string.h>
#include <viaduct/abi.h>

enum { ROUTE_CREATE = 1, ROUTE_ASK = 2 };

/* A call to the host that is not answered yet, and the request that waits for it. */
struct pending {
  uint64_t call, exchange;
  struct pending* next;
};

struct viaduct_instance {
  const viaduct_host* host;
  const viaduct_http* http;
  const viaduct_sessions* sessions;
  struct pending* pending;
  uint64_t last_call;
};

static const char PAGE[] =
    "<!doctype html><meta charset=utf-8><title>Ask</title><form><input name=message autofocus>"
    "<button>Ask</button></form><pre></pre><script src=ask.js></script>";
static const char SCRIPT[] =
    "let session;\n"
    "const post = async (path, body) => {\n"
    "  const answer = await fetch(path, {method: 'POST', body});\n"
    "  if (!answer.ok) throw Error(await answer.text());\n"
    "  return answer.json();\n"
    "};\n"
    "document.querySelector('form').onsubmit = async (event) => {\n"
    "  event.preventDefault();\n"
    "  const out = document.querySelector('pre');\n"
    "  try {\n"
    "    session = session || (await post('sessions')).session_id;\n"
    "    out.textContent = (await post(`sessions/${session}/ask`, "
    "event.target.message.value)).text;\n"
    "  } catch (error) { out.textContent = error.message; }\n"
    "};\n";

static viaduct_str str(const char* text) {
  viaduct_str s = {text, strlen(text)};
  return s;
}

static void complete(viaduct_instance* self, uint64_t call, viaduct_code code,
                     const char* message) {
  viaduct_status status = {sizeof status, code, str(message)};
  self->host->complete(self->host, call, &status, str(""));
}

static void respond(viaduct_instance* self, uint64_t exchange, uint32_t http_status,
                    const char* type, viaduct_str body) {
  viaduct_pair header = {str("Content-Type"), str(type)};
  viaduct_http_response response = {sizeof response, http_status, &header, 1, body};
  self->http->respond(self->host, exchange, &response);
}

static uint32_t http_status(viaduct_code code) {
  switch (code) {
    case VIADUCT_E_INVALID_ARGUMENT: return 400;
    case VIADUCT_E_NOT_FOUND: return 404;
    case VIADUCT_E_SESSION_DEAD: return 409;
    case VIADUCT_E_BUSY: return 429;
    case VIADUCT_E_UNAVAILABLE: return 503;
    default: return 500;
  }
}

/* ---- the instance */

static void start(viaduct_instance* self, uint64_t call) {
  const viaduct_file files[] = {
      {str("/"), str("text/html; charset=utf-8"), str(PAGE), str(""), 0, 0},
      {str("/ask.js"), str("text/javascript"), str(SCRIPT), str(""), 0, 0}};
  viaduct_code code = self->http->files(self->host, files, 2);
  if (code == VIADUCT_OK)
    code = self->http->route(self->host, str("POST"), str("/sessions"), 0, ROUTE_CREATE);
  if (code == VIADUCT_OK)
    code = self->http->route(self->host, str("POST"), str("/sessions/{id}/ask"), 0, ROUTE_ASK);
  complete(self, call, code, code == VIADUCT_OK ? "" : "the host refused a route");
}

static void stop(viaduct_instance* self, uint64_t call) {
  while (self->pending != NULL) {
    struct pending* done = self->pending;
    self->pending = done->next;
    respond(self, done->exchange, 503, "text/plain", str("stopping"));
    free(done);
  }
  complete(self, call, VIADUCT_OK, "");
}

static void destroy(viaduct_instance* self) {
  free(self);
}

/* ---- requests, and the host's answers */

static void request(viaduct_instance* self, uint64_t exchange, const viaduct_http_request* req) {
  struct pending* call = malloc(sizeof *call);
  if (call == NULL) abort();
  call->call = ++self->last_call;
  call->exchange = exchange;
  call->next = self->pending;
  self->pending = call;
  if (req->route == ROUTE_CREATE) {
    self->sessions->create(self->host, call->call, req->who, str("{\"description\":\"Ask\"}"));
  } else {
    /* The key makes the message one turn, however often it is sent. */
    viaduct_message message = {sizeof message, 0, req->request_id, req->body, str(""), str("")};
    self->sessions->ask(self->host, call->call, req->who, req->params[0].value, &message);
  }
}

/* Takes the call out of the list: the exchange that waited for it, or 0. */
static uint64_t take(viaduct_instance* self, uint64_t call, uint64_t exchange) {
  for (struct pending** at = &self->pending; *at != NULL; at = &(*at)->next) {
    struct pending* found = *at;
    if (found->call != call && found->exchange != exchange) continue;
    uint64_t waiting = found->exchange;
    *at = found->next;
    free(found);
    return waiting;
  }
  return 0;
}

static void completed(viaduct_instance* self, uint64_t call, const viaduct_status* status,
                      viaduct_str result) {
  uint64_t exchange = take(self, call, 0);
  if (exchange == 0) return; /* the browser has gone */
  if (status->code == VIADUCT_OK)
    respond(self, exchange, 200, "application/json", result);
  else
    respond(self, exchange, http_status(status->code), "text/plain; charset=utf-8",
            status->message);
}

static void closed(viaduct_instance* self, uint64_t exchange, uint16_t code, viaduct_str reason) {
  (void)code, (void)reason;
  take(self, 0, exchange);
}

static void message(viaduct_instance* self, uint64_t exchange, viaduct_str text) {
  (void)self, (void)exchange, (void)text; /* there is no WebSocket */
}

static void writable(viaduct_instance* self, uint64_t exchange) {
  (void)self, (void)exchange; /* there is no stream */
}

/* ---- the tables */

static const viaduct_surface SURFACE = {sizeof SURFACE, 0};
static const viaduct_http_handler HANDLER = {sizeof HANDLER, 0, request, message, writable, closed};

static const void* interface(viaduct_instance* self, const char* id) {
  (void)self;
  if (strcmp(id, VIADUCT_SURFACE) == 0) return &SURFACE;
  if (strcmp(id, VIADUCT_HTTP_HANDLER) == 0) return &HANDLER;
  return NULL;
}

static viaduct_instance* create(const viaduct_host* host, viaduct_str config_json) {
  (void)config_json; /* there is nothing to configure */
  viaduct_instance* self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->host = host;
  self->http = host->service(host, VIADUCT_HTTP);
  self->sessions = host->service(host, VIADUCT_SESSIONS);
  if (self->http != NULL && self->sessions != NULL) return self;
  viaduct_status why = {sizeof why, VIADUCT_E_UNSUPPORTED, str("needs HTTP and sessions")};
  host->fail(host, &why);
  free(self);
  return NULL;
}

static const viaduct_instance_api API = {.struct_size = sizeof API,
                                         .start = start,
                                         .stop = stop,
                                         .destroy = destroy,
                                         .interface = interface,
                                         .completed = completed};

__attribute__((visibility("default"))) const viaduct_plugin viaduct_plugin_v1 = {
    .struct_size = sizeof viaduct_plugin_v1,
    .abi_major = VIADUCT_ABI_MAJOR,
    .abi_minor = VIADUCT_ABI_MINOR,
    .kind = VIADUCT_KIND_SURFACE,
    .id = "com.example.ask",
    .version = "1.0.0",
    .summary = "One question, one answer",
    .config_schema = "{\"type\":\"object\",\"additionalProperties\":false}",
    .config_example = "{}",
    .api = &API,
    .create = create,
};
