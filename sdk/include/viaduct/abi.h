/* abi.h: everything that crosses the boundary between the Viaduct host and a plugin. C11, no C++.
 *
 * A plugin is a shared library that exports one constant, `viaduct_plugin_v1`. The host reads it,
 * creates instances from it, and calls their tables; the plugin calls the host's. Nothing else is
 * shared: no allocator, no exception, no C++ type.
 *
 * Threads. `[plugin-thread]`: the host calls it on the instance's own thread, one call at a time
 * (an instance that declares VIADUCT_PLUGIN_CONCURRENT is called on the host's threads instead, in
 * order for each session and each connection).
 * `[any-thread]`: may be called from any thread, also from inside a call of the host, and does not
 * block.
 *
 * Data. Text is UTF-8, counted, not NUL-terminated; only ids marked as C strings are
 * NUL-terminated. What is passed in is borrowed until the call returns: the callee copies what it
 * keeps. Whoever allocates frees. What a descriptor or a table points to stays valid as long as the
 * library is loaded, and the host never unloads one.
 *
 * Asynchrony. What can wait returns `void` and is answered exactly once, also when it fails, is
 * cancelled, or the instance stops. A call of the host carries a `call` id, which the plugin
 * answers with `viaduct_host.complete`, from any thread, also before it returns. A call to the host
 * carries a `call` id that the plugin chose (unique among its open calls), which the host answers
 * with `viaduct_instance_api.completed`, on the plugin's thread, never before the call returns.
 *
 * Errors. A status has one of the codes below and a message for a person. No function throws.
 *
 * Versions. Within a major, a released struct, function or number never changes its meaning.
 * Structs grow at their end only, without padding, and say their size first: test VIADUCT_HAS, or
 * VIADUCT_REACHES, before reading what came later than 1.0; what a shorter struct lacks counts as
 * zero. All of 1.0 is always there; functions said to be optional may be null. JSON grows, too:
 * members and words that a reader does not know are ignored. Unknown numbers: a code is a failure,
 * a flow is GONE, a kind and a bit of flags are ignored. Reserved fields are zero, and no id of a
 * call, an exchange, a session or a subscription is. New capabilities are new interface ids. The
 * layout is the same on all 64-bit machines; 32 bits are not supported.
 */
#ifndef VIADUCT_ABI_H
#define VIADUCT_ABI_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus) && __cplusplus >= 201703L
#define VIADUCT_NOEXCEPT noexcept
#else
#define VIADUCT_NOEXCEPT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header. */
#define VIADUCT_ABI_MAJOR 1
#define VIADUCT_ABI_MINOR 0

/* True when `table` is long enough to have `member`, whatever that is. */
#define VIADUCT_REACHES(table, member) \
  ((table) != NULL &&                  \
   (size_t)((const char*)(&(table)->member + 1) - (const char*)(table)) <= (table)->struct_size)
/* The same, and the member, a function, pointer or number, is not null or zero. */
#define VIADUCT_HAS(table, member) (VIADUCT_REACHES(table, member) && (table)->member != 0)

/* ---------------------------------------------------------------- data */

typedef struct viaduct_str { /* never grows */
  const char* data;          /* UTF-8; may be null when size is 0 */
  size_t size;               /* bytes */
} viaduct_str;

typedef int32_t viaduct_code;
enum {
  VIADUCT_OK = 0,
  VIADUCT_E_INVALID_ARGUMENT = 1, /* the caller's mistake */
  VIADUCT_E_NOT_FOUND =
      2, /* no such session, request, key; from prompt(): holds no such session, nothing ran */
  VIADUCT_E_PERMISSION_DENIED = 3, /* not this principal's */
  VIADUCT_E_UNAUTHENTICATED = 4,   /* nobody said who is asking */
  VIADUCT_E_FAILED_PRECONDITION =
      5,                      /* the operator must do something first; the message says what */
  VIADUCT_E_SESSION_DEAD = 6, /* permanent: the conversation cannot be had again */
  VIADUCT_E_UNAVAILABLE = 7,  /* transient: try again */
  VIADUCT_E_BUSY = 8,         /* a queue or a quota is full */
  VIADUCT_E_CANCELLED = 9,
  VIADUCT_E_TIMEOUT = 10,
  VIADUCT_E_UNSUPPORTED = 11, /* the capability is lacking */
  VIADUCT_E_CONFLICT = 12,    /* compare-and-set: the document has another version */
  VIADUCT_E_INTERNAL = 13     /* a defect */
};

typedef struct viaduct_status {
  uint32_t struct_size;
  viaduct_code code;
  viaduct_str message; /* what failed and where, for a person; no trailing period */
} viaduct_status;

/* The answer to a streaming call. */
typedef int32_t viaduct_flow;
enum {
  VIADUCT_FLOW_OK = 0,
  VIADUCT_FLOW_BUSY = 1, /* not taken; `writable` is called once when it is worth trying again */
  VIADUCT_FLOW_CANCELLED = 2, /* not taken; the turn was cancelled: end it soon */
  VIADUCT_FLOW_GONE = 3       /* not taken; there is nothing by that id any more */
};

/* Who is talking. The host adds the name of the surface. */
enum {
  VIADUCT_PRINCIPAL_OPERATOR = 1u << 0 /* may answer permission requests for others, and see and
                                          take over what other programs left on this machine */
};
typedef struct viaduct_principal {
  uint32_t struct_size;
  uint32_t flags;
  viaduct_str user_id; /* not empty */
  viaduct_str display_name;
  viaduct_str tenant; /* of the network where they talk (a workspace, a company); may be empty */
  viaduct_str
      place; /* the shared place (a Slack thread) that owns the session; empty: the user owns it */
} viaduct_principal;

/* ---------------------------------------------------------------- plugin */

typedef struct viaduct_instance viaduct_instance; /* the plugin's own; opaque to the host */
typedef struct viaduct_host viaduct_host;

/* Functions that every instance has. */
typedef struct viaduct_instance_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* [plugin-thread] Opens what it needs. Answered by complete(call), within 30 s. Surfaces start
   * after all backends. Routes are made from here on. */
  void (*start)(viaduct_instance* self, uint64_t call) VIADUCT_NOEXCEPT;

  /* [plugin-thread] Finishes or cancels everything that is open and answers every open call, then
   * this one; after that the plugin calls the host no more. Also called on an instance that never
   * started. An instance that does not answer within 10 s is abandoned, never destroyed. Stopping
   * twice is answered at once. */
  void (*stop)(viaduct_instance* self, uint64_t call) VIADUCT_NOEXCEPT;

  /* [plugin-thread] The last call. */
  void (*destroy)(viaduct_instance* self) VIADUCT_NOEXCEPT;

  /* [plugin-thread] The table of the interface with this id (a C string), or null. The same answer
   * for life. */
  const void* (*interface)(viaduct_instance* self, const char* id)VIADUCT_NOEXCEPT;

  /* [plugin-thread] The answer to the plugin's own `call`. `result` is JSON text, empty where
   * nothing is to be said. */
  void (*completed)(viaduct_instance* self, uint64_t call, const viaduct_status* status,
                    viaduct_str result) VIADUCT_NOEXCEPT;

  /* [plugin-thread] What viaduct_host.post (posted) and viaduct.timer/1 (timer) announce. Optional.
   */
  void (*posted)(viaduct_instance* self, uint64_t token) VIADUCT_NOEXCEPT;
  /* [plugin-thread] Optional. */
  void (*timer)(viaduct_instance* self, uint64_t token) VIADUCT_NOEXCEPT;

  /* [plugin-thread] New configuration for a running instance. Answered by complete(call). Optional:
   * without it, or when it answers VIADUCT_E_UNSUPPORTED, the host stops the instance and creates
   * it anew. */
  void (*reload)(viaduct_instance* self, uint64_t call, viaduct_str config_json) VIADUCT_NOEXCEPT;

  /* [plugin-thread] Whether it works now: the status, and in words what to do if not. Answered by
   * complete(call). Optional: without it the instance counts as healthy while it runs. */
  void (*health)(viaduct_instance* self, uint64_t call) VIADUCT_NOEXCEPT;
} viaduct_instance_api;

enum { VIADUCT_KIND_SURFACE = 1, VIADUCT_KIND_BACKEND = 2 };
enum { VIADUCT_PLUGIN_CONCURRENT = 1u << 0 };

/* The descriptor. All pointers are constant for the life of the process; strings are C strings. */
typedef struct viaduct_plugin {
  uint32_t struct_size;
  uint16_t abi_major; /* VIADUCT_ABI_MAJOR and _MINOR of the header it was built with */
  uint16_t abi_minor;
  uint32_t kind;
  uint32_t flags;
  const char* id;            /* reverse DNS: "com.example.echo" */
  const char* version;       /* of the plugin, semantic */
  const char* summary;       /* one line for `viaduct plugins` */
  const char* config_schema; /* JSON Schema (draft 4) of `config:` */
  const char*
      config_example; /* JSON that satisfies it and needs no network: for `viaduct plugin check` */
  const viaduct_instance_api* api;

  /* [plugin-thread] Parses the configuration and allocates. No input or output, no thread, no call
   * to the host but `service` and `fail`. Null when it cannot, after host->fail(host, status) has
   * said why. */
  viaduct_instance* (*create)(const viaduct_host* host, viaduct_str config_json)VIADUCT_NOEXCEPT;
} viaduct_plugin;

/* The one exported symbol; the number is the major version of the entry. */
#define VIADUCT_PLUGIN_SYMBOL "viaduct_plugin_v1"

/* ---------------------------------------------------------------- host */

/* What the host gives to `create`; valid until `destroy` has returned. */
struct viaduct_host {
  uint32_t struct_size;
  uint16_t abi_major, abi_minor; /* of the header the host was built with */
  viaduct_str instance_name;     /* as in the YAML */

  /* [any-thread] The table of the service with this id (a C string), or null. */
  const void* (*service)(const viaduct_host* host, const char* id)VIADUCT_NOEXCEPT;

  /* [any-thread] Answers a call of the host. `result` is JSON text as the call says, up to 64 MiB,
   * else empty. An unknown or already answered call is logged as a fault of the plugin and
   * otherwise ignored. */
  void (*complete)(const viaduct_host* host, uint64_t call, const viaduct_status* status,
                   viaduct_str result) VIADUCT_NOEXCEPT;

  /* [any-thread] Has `posted(token)` called on the plugin's thread. */
  void (*post)(const viaduct_host* host, uint64_t token) VIADUCT_NOEXCEPT;

  /* [plugin-thread, in create] Says why create returns null. */
  void (*fail)(const viaduct_host* host, const viaduct_status* status) VIADUCT_NOEXCEPT;

  /* [plugin-thread, in viaduct_loop.run but not in a call of the host] Makes the calls that wait
   * for the instance, and returns. */
  void (*drain)(const viaduct_host* host) VIADUCT_NOEXCEPT;
};

/* ---------------------------------------------------------------- service viaduct.log/1 */

#define VIADUCT_LOG "viaduct.log/1"
enum { VIADUCT_LOG_DEBUG = 1, VIADUCT_LOG_INFO = 2, VIADUCT_LOG_WARN = 3, VIADUCT_LOG_ERROR = 4 };
typedef struct viaduct_log {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] One line; `key=value` pairs go into the message. Known secrets are redacted by the
   * host. */
  void (*write)(const viaduct_host* host, int32_t level, viaduct_str message) VIADUCT_NOEXCEPT;
} viaduct_log;

/* ---------------------------------------------------------------- service viaduct.timer/1 */

#define VIADUCT_TIMER "viaduct.timer/1"
typedef struct viaduct_timer {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] Calls `timer(token)` once, after at least `milliseconds`. Setting a token again
   * moves it. */
  void (*set)(const viaduct_host* host, uint64_t token, uint64_t milliseconds) VIADUCT_NOEXCEPT;
  /* [any-thread] A timer that is already on its way may still arrive. */
  void (*cancel)(const viaduct_host* host, uint64_t token) VIADUCT_NOEXCEPT;
} viaduct_timer;

/* ---------------------------------------------------------------- service viaduct.metrics/1 */

#define VIADUCT_METRICS "viaduct.metrics/1"
typedef struct viaduct_metrics {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] `name` as Prometheus wants it, without prefix; the host adds `viaduct_plugin_` and
   * the label `instance`. `labels_json` is an object of strings, or empty. */
  void (*count)(const viaduct_host* host, viaduct_str name, viaduct_str labels_json,
                double by) VIADUCT_NOEXCEPT;
  /* [any-thread] */
  void (*gauge)(const viaduct_host* host, viaduct_str name, viaduct_str labels_json,
                double value) VIADUCT_NOEXCEPT;
  /* [any-thread] */
  void (*observe)(const viaduct_host* host, viaduct_str name, viaduct_str labels_json,
                  double seconds) VIADUCT_NOEXCEPT;
} viaduct_metrics;

/* ---------------------------------------------------------------- service viaduct.documents/1 */

#define VIADUCT_DOCUMENTS "viaduct.documents/1"
#define VIADUCT_VERSION_ANY UINT64_MAX /* put and remove: whatever is there */
/* Small durable JSON documents of this instance, by key (1 to 512 bytes; values up to 1 MiB). All
 * are answered by completed(call), writes after they are on disk. */
typedef struct viaduct_documents {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] → {"version":n,"value":…}, or VIADUCT_E_NOT_FOUND. */
  void (*get)(const viaduct_host* host, uint64_t call, viaduct_str key) VIADUCT_NOEXCEPT;
  /* [any-thread] Stores if the present version is `version` (0: there is none) → {"version":n},
   * else VIADUCT_E_CONFLICT. */
  void (*put)(const viaduct_host* host, uint64_t call, viaduct_str key, viaduct_str value_json,
              uint64_t version) VIADUCT_NOEXCEPT;
  /* [any-thread] Removes it if the present version is `version`, as put. */
  void (*remove)(const viaduct_host* host, uint64_t call, viaduct_str key,
                 uint64_t version) VIADUCT_NOEXCEPT;
  /* [any-thread] Keys `from <= key < to` in byte order (empty `to`: no end), at most `limit` (1 to
   * 1000) → {"documents":[{"key":…,"version":n,"value":…}],"more":bool}. */
  void (*scan)(const viaduct_host* host, uint64_t call, viaduct_str from, viaduct_str to,
               uint32_t limit) VIADUCT_NOEXCEPT;
} viaduct_documents;

/* ---------------------------------------------------------------- service viaduct.secrets/1 */

#define VIADUCT_SECRETS "viaduct.secrets/1"
typedef struct viaduct_secrets {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] From now on this text is replaced by *** in every log line (a token that was
   * fetched, say). At least 6 bytes. */
  void (*redact)(const viaduct_host* host, viaduct_str secret) VIADUCT_NOEXCEPT;
  /* [any-thread] Reads a reference of the instance's own `config:` again ("${file:…}", as written
   * in the YAML), for keys that rotate → {"value":"…"}; VIADUCT_E_NOT_FOUND for a reference that is
   * not in its configuration. */
  void (*resolve)(const viaduct_host* host, uint64_t call, viaduct_str reference) VIADUCT_NOEXCEPT;
} viaduct_secrets;

/* ---------------------------------------------------------------- service viaduct.memory/1 */

#define VIADUCT_MEMORY "viaduct.memory/1"
/* What people asked to be remembered, one memory for each principal. */
typedef struct viaduct_memory {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] If the message asks to remember or to recall, does so →
   * {"response":text,"memory_action":"remember"|"recall", "memory_result":…}; else → {} and the
   * message is for the backend. */
  void (*message)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                  viaduct_str text) VIADUCT_NOEXCEPT;
  /* [any-thread] → {"id":"mem-001","timestamp":…,"category":…,"content":…,"tags":[…]} */
  void (*remember)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                   viaduct_str text) VIADUCT_NOEXCEPT;
  /* [any-thread] → {"matches":[memory …],"count":n}, best first. */
  void (*recall)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                 viaduct_str query) VIADUCT_NOEXCEPT;
  /* [any-thread] → {"items":[{"task":…,"status":…,"updated":…}]} */
  void (*work_status)(const viaduct_host* host, uint64_t call,
                      const viaduct_principal* who) VIADUCT_NOEXCEPT;
  /* [any-thread] Replaces the log; `items` as above, a JSON array → {"items":[…]} */
  void (*work_log)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                   viaduct_str items_json) VIADUCT_NOEXCEPT;
} viaduct_memory;

/* ---------------------------------------------------------------- service viaduct.overview/1 */

#define VIADUCT_OVERVIEW "viaduct.overview/1"
/* What the operator sees of the host. */
typedef struct viaduct_overview {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] →
   * {"version":…,"uptime_seconds":n,"instances":[{"name":…,"kind":"surface"|"backend","plugin":…,"version":…,
   * "state":"starting"|"running"|"stopped"|"failed","error":{"code":…,"message":…}|null,"mount":"/apps/…/"|null,
   * "page":"/apps/…/…"|null, where people begin}],
   * "configuration":[{"path":"server.listen","value":…,"origin":"viaduct.yaml:3:11"|"default","secret":bool}],
   * "sessions":n,"memories":n}. Secret values are null. */
  void (*get)(const viaduct_host* host, uint64_t call) VIADUCT_NOEXCEPT;
  /* [any-thread] What the doctor of viaduct.tool/1 of the running instance of this name
   * finds within 20 s → {"checks":[{"name","ok":bool,"message","skipped":bool}]}, without known
   * secrets; empty where it offers no checks. Whoever asks while one is being looked at is given
   * the same answer. NOT_FOUND: there is no such instance; UNAVAILABLE: it does not run, and why.
   */
  void (*check)(const viaduct_host* host, uint64_t call, viaduct_str instance) VIADUCT_NOEXCEPT;
} viaduct_overview;

/* ---------------------------------------------------------------- service viaduct.http/1 */

#define VIADUCT_HTTP "viaduct.http/1"
#define VIADUCT_HTTP_HANDLER "viaduct.http-handler/1"

typedef struct viaduct_pair { /* never grows */
  viaduct_str name;
  viaduct_str value;
} viaduct_pair;

enum {
  VIADUCT_ROUTE_PUBLIC =
      1u << 0, /* carries its own proof (a signature): no authentication, no Origin check */
  VIADUCT_ROUTE_WEBSOCKET =
      1u << 1, /* a GET that asks for an upgrade; answered by accept or respond */
  VIADUCT_ROUTE_ALIAS =
      1u << 2 /* of a public route: its pattern, a literal path, is an address of the
                 server itself as well ("/api/messages"). VIADUCT_E_CONFLICT: it is another's */
};
enum {
  VIADUCT_REQUEST_LOCAL = 1u << 16 /* of public routes: from this computer to a listener that only
                                      it can reach, and no proxy says that it passed it on */
};

/* A static file, embedded in the plugin. `data` and `gzip` stay valid until the instance is
 * destroyed. */
typedef struct viaduct_file { /* never grows */
  viaduct_str path;           /* below the mount: "/assets/app.js"; "/" is the page itself */
  viaduct_str content_type;
  viaduct_str data;
  viaduct_str gzip;   /* the same compressed; may be empty */
  uint32_t immutable; /* 1: the path has a hash of the content, cache it for ever; 0: revalidate by
                         ETag */
  uint32_t reserved;
} viaduct_file;

typedef struct viaduct_http_request {
  uint32_t struct_size;
  uint32_t flags;     /* VIADUCT_ROUTE_… of its route, VIADUCT_REQUEST_… */
  uint64_t route;     /* the plugin's own token of the matched route */
  viaduct_str method; /* upper case */
  viaduct_str path;   /* below the mount, begins with '/', percent-decoded, no dot segments */
  viaduct_str query;  /* raw, without '?' */
  viaduct_str body;   /* raw */
  const viaduct_pair* headers; /* names in lower case */
  size_t header_count;
  viaduct_pair const* params; /* what the {names} of the route's pattern stand for */
  size_t param_count;
  const viaduct_principal* who; /* null on public routes */
  viaduct_str request_id;       /* as in the access log */
} viaduct_http_request;

typedef struct viaduct_http_response {
  uint32_t struct_size;
  uint32_t status;
  const viaduct_pair* headers; /* Content-Length, Date and security headers are the host's */
  size_t header_count;
  viaduct_str body;
} viaduct_http_response;

/* An exchange is one request and, after accept(), its WebSocket; ids are never used again. */
typedef struct viaduct_http {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] Routes `method` ("GET", "POST", …) and `pattern` ("/api/sessions/{id}"; a last
   * "{*rest}" takes all that follows) to the handler. Below /apps/<instance name>/. The host
   * answers 404 and 405 for what has no route. Repeating is VIADUCT_E_INVALID_ARGUMENT. */
  viaduct_code (*route)(const viaduct_host* host, viaduct_str method, viaduct_str pattern,
                        uint32_t flags, uint64_t token) VIADUCT_NOEXCEPT;
  /* [any-thread] Serves static files, with ETag, compression and a strict Content-Security-Policy.
   */
  viaduct_code (*files)(const viaduct_host* host, const viaduct_file* files,
                        size_t count) VIADUCT_NOEXCEPT;

  /* [any-thread] The whole answer. Exactly one of respond, begin or accept for each request; one
   * that gets none within the server's time limit is answered 504 by the host. */
  void (*respond)(const viaduct_host* host, uint64_t exchange,
                  const viaduct_http_response* response) VIADUCT_NOEXCEPT;
  /* [any-thread] A streamed answer: begin (its body is the first piece, if any), write …, finish.
   */
  viaduct_flow (*begin)(const viaduct_host* host, uint64_t exchange,
                        const viaduct_http_response* head) VIADUCT_NOEXCEPT;
  /* [any-thread] BUSY: not taken; viaduct_http_handler.writable follows. */
  viaduct_flow (*write)(const viaduct_host* host, uint64_t exchange,
                        viaduct_str piece) VIADUCT_NOEXCEPT;
  /* [any-thread] */
  void (*finish)(const viaduct_host* host, uint64_t exchange) VIADUCT_NOEXCEPT;

  /* [any-thread] Upgrades to a WebSocket (RFC 6455). Messages follow by the handler, then closed()
   * once. */
  void (*accept)(const viaduct_host* host, uint64_t exchange) VIADUCT_NOEXCEPT;
  /* [any-thread] One text message, whole. BUSY when too much is waiting to be sent. */
  viaduct_flow (*send)(const viaduct_host* host, uint64_t exchange,
                       viaduct_str text) VIADUCT_NOEXCEPT;
  /* [any-thread] Sends what is waiting, then closes with this code (RFC 6455 section 7.4). */
  void (*close)(const viaduct_host* host, uint64_t exchange, uint16_t code,
                viaduct_str reason) VIADUCT_NOEXCEPT;
} viaduct_http;

/* What an instance that uses viaduct.http/1 offers by the id VIADUCT_HTTP_HANDLER. */
typedef struct viaduct_http_handler {
  uint32_t struct_size;
  uint32_t reserved;
  /* [plugin-thread] */
  void (*request)(viaduct_instance* self, uint64_t exchange,
                  const viaduct_http_request* request) VIADUCT_NOEXCEPT;
  /* [plugin-thread] A text message of a WebSocket; the host closes on binary ones (1003) and bad
   * UTF-8 (1007). */
  void (*message)(viaduct_instance* self, uint64_t exchange, viaduct_str text) VIADUCT_NOEXCEPT;
  /* [plugin-thread] Once after a BUSY. */
  void (*writable)(viaduct_instance* self, uint64_t exchange) VIADUCT_NOEXCEPT;
  /* [plugin-thread] The peer has gone: the last that is heard of a WebSocket, or of an unfinished
   * answer. */
  void (*closed)(viaduct_instance* self, uint64_t exchange, uint16_t code,
                 viaduct_str reason) VIADUCT_NOEXCEPT;
} viaduct_http_handler;

/* ---------------------------------------------------------------- service viaduct.sessions/1, for
 * surfaces */

#define VIADUCT_SESSIONS "viaduct.sessions/1"
#define VIADUCT_SUBSCRIBER "viaduct.subscriber/1"

/* One message of a person. */
typedef struct viaduct_message {
  uint32_t struct_size;
  uint32_t reserved;
  viaduct_str key; /* idempotency key, unique in the session: the surface's own message id. The same
                      key twice is one turn */
  viaduct_str text; /* not empty unless there are blocks */
  viaduct_str
      blocks_json; /* further ACP content blocks (images, resources), a JSON array, or empty */
  viaduct_str context_json; /* what others said around it, for a shared place:
                               [{"author":…,"text":…}], or empty */
} viaduct_message;

/* A place in a session's log. All zero: from the beginning, as a new viewer. */
typedef struct viaduct_cursor { /* never grows */
  uint64_t epoch;
  uint64_t seq;
} viaduct_cursor;

/* The kinds of change. Each is also given as JSON (`json`), in the form that sdk/SESSION-JSON.md
 * says. */
enum {
  VIADUCT_CHANGE_STATE =
      1, /* session-wide: state, title, commands, options. The first of every subscription */
  VIADUCT_CHANGE_RESET = 2, /* forget every entry: the newest follow, whole */
  VIADUCT_CHANGE_ENTRY = 3, /* an entry, whole: it replaces what the viewer has by that number */
  VIADUCT_CHANGE_DELTA = 4, /* text to append to an entry at `offset` */
  VIADUCT_CHANGE_LIVE = 5   /* all that was missed has been sent; what follows is live */
};
typedef struct viaduct_change {
  uint32_t struct_size;
  uint32_t kind;
  viaduct_cursor cursor; /* subscribe from here to go on after this change */
  uint64_t entry;        /* number of the entry, from 1, its place in the log; else 0 */
  uint64_t offset;       /* DELTA: the byte of the entry's text at which `text` begins */
  viaduct_str text;      /* DELTA: what is appended */
  viaduct_str json;      /* the whole change */
} viaduct_change;

/* All answer by completed(call). A session that is not the principal's is VIADUCT_E_NOT_FOUND,
 * whether it exists or not. SESSION is
 * {"session_id","title","description","project_id","working_dir","backend","state":"idle"|"running"|"waiting","ended":bool,
 * "created_at","last_active","turns_waiting":n}; times are RFC 3339 in UTC with microseconds. */
typedef struct viaduct_sessions {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] `options`: {"backend"?,"working_dir"?="~","description"?,"key"?} → SESSION. The
   * native session exists when it answers. */
  void (*create)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                 viaduct_str options_json) VIADUCT_NOEXCEPT;
  /* [any-thread] → {"turn":n,"duplicate":bool} as soon as the message is on disk. */
  void (*send)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
               viaduct_str session_id, const viaduct_message* message) VIADUCT_NOEXCEPT;
  /* [any-thread] The same, but answered at the turn's end → {"turn":n,"stop_reason":…,"text":the
   * whole answer}. Fails with the turn's own error when it ended with one; an interrupted turn is
   * VIADUCT_E_UNAVAILABLE. */
  void (*ask)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
              viaduct_str session_id, const viaduct_message* message) VIADUCT_NOEXCEPT;
  /* [any-thread] Cancels a turn, running or waiting (0: the running one and all that wait). Not an
   * error when there is none. */
  void (*cancel)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                 viaduct_str session_id, uint64_t turn) VIADUCT_NOEXCEPT;
  /* [any-thread] Answers the permission request that is entry number `entry` with one of its
   * options → {"outcome":"selected","option_id":…,"by":display name}: what holds, which may be an
   * earlier answer. VIADUCT_E_FAILED_PRECONDITION when it expired. */
  void (*answer)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                 viaduct_str session_id, uint64_t entry, viaduct_str option_id) VIADUCT_NOEXCEPT;
  /* [any-thread] Has the backend hold the session now, also an ended one
   * → SESSION and "context":"live"|"native"|"transcript"|"fresh". */
  void (*resume)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                 viaduct_str session_id) VIADUCT_NOEXCEPT;
  /* [any-thread] Ends it: only resume revives it. Ending twice is fine → {"ended":true} */
  void (*end)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
              viaduct_str session_id) VIADUCT_NOEXCEPT;
  /* [any-thread] `query`: {"limit"?=50 (to 200),"before"?=a "next" of an earlier
   * answer,"active"?=bool} → {"sessions":[SESSION …] last active first,"next":string|null} */
  void (*list)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
               viaduct_str query_json) VIADUCT_NOEXCEPT;
  /* [any-thread] → SESSION */
  void (*get)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
              viaduct_str session_id) VIADUCT_NOEXCEPT;
  /* [any-thread] Entries with a number below `before` (0: the newest), at most `limit` (1 to 500)
   * → {"entries":[ENTRY …] oldest first,"more":bool} */
  void (*history)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                  viaduct_str session_id, uint64_t before, uint32_t limit) VIADUCT_NOEXCEPT;
  /* [any-thread] → SESSION */
  void (*rename)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                 viaduct_str session_id, viaduct_str title) VIADUCT_NOEXCEPT;
  /* [any-thread] VIADUCT_E_UNSUPPORTED where the backend cannot. */
  void (*compact)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                  viaduct_str session_id) VIADUCT_NOEXCEPT;
  /* [any-thread] A new session that begins as a copy of this one → SESSION */
  void (*fork)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
               viaduct_str session_id) VIADUCT_NOEXCEPT;
  /* [any-thread] Chooses one of the backend's own options (model, mode), which changes of kind
   * STATE list → {"options":[…]} as in ACP's configuration options. */
  void (*set_option)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                     viaduct_str session_id, viaduct_str option_id,
                     viaduct_str value) VIADUCT_NOEXCEPT;

  /* [any-thread] Sends changes to viaduct.subscriber/1 by this `subscription` id, which the plugin
   * chose, until unsubscribe or `unsubscribed`. completed(call) comes before the first change. */
  void (*subscribe)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                    viaduct_str session_id, uint64_t subscription,
                    const viaduct_cursor* cursor) VIADUCT_NOEXCEPT;
  /* [any-thread] A few changes may still be on their way; `unsubscribed` is not called. */
  void (*unsubscribe)(const viaduct_host* host, uint64_t subscription) VIADUCT_NOEXCEPT;
  /* [any-thread] After change() answered BUSY: send on. */
  void (*proceed)(const viaduct_host* host, uint64_t subscription) VIADUCT_NOEXCEPT;

  /* Both for an operator alone, VIADUCT_E_PERMISSION_DENIED to others. DISCOVERED is
   * {"backend","native_id","working_dir","title","updated_at":time|null,"session_id":which session
   * of the host it is already|null}. */
  /* [any-thread] Sessions that other programs left on this machine, as the surface's backends find
   * them. `query`: {"backend"?: only this one,"limit"?=50 (to 500)} → {"sessions":[DISCOVERED …]
   * newest first,"left_out":how many more there are,"failures":[{"backend","error":{"code",
   * "message"}} …]}; one that fails does not keep the others back. */
  void (*discover)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                   viaduct_str query_json) VIADUCT_NOEXCEPT;
  /* [any-thread] Makes one of those, by its native id or the beginning of it, a session of `who`
   * with all that was said in it, and resumes it; twice is the same session. `backend`: whose, or
   * empty → {"session":SESSION,"from":DISCOVERED,"context":as of resume|null,"error":{"code",
   * "message"} of a resume that is tried again with the next message|null}.
   * VIADUCT_E_INVALID_ARGUMENT names the candidates when several begin so, VIADUCT_E_CONFLICT: it
   * is somebody else's session. */
  void (*adopt)(const viaduct_host* host, uint64_t call, const viaduct_principal* who,
                viaduct_str native_id, viaduct_str backend) VIADUCT_NOEXCEPT;
} viaduct_sessions;

/* What a surface that subscribes offers by the id VIADUCT_SUBSCRIBER. */
typedef struct viaduct_subscriber {
  uint32_t struct_size;
  uint32_t reserved;
  /* [plugin-thread] OK, or BUSY: not taken, and the same change comes again after proceed(). */
  viaduct_flow (*change)(viaduct_instance* self, uint64_t subscription,
                         const viaduct_change* change) VIADUCT_NOEXCEPT;
  /* [plugin-thread] The subscription has ended: VIADUCT_E_BUSY when the subscriber was too slow
   * (subscribe again from the last cursor), VIADUCT_E_UNAVAILABLE when the host stops. */
  void (*unsubscribed)(viaduct_instance* self, uint64_t subscription,
                       const viaduct_status* status) VIADUCT_NOEXCEPT;
} viaduct_subscriber;

/* ---------------------------------------------------------------- service viaduct.delivery/1, for
 * surfaces */

#define VIADUCT_DELIVERY "viaduct.delivery/1"
#define VIADUCT_SENDER "viaduct.sender/1"

/* For a surface on somebody else's network. Inbox: what came in is on disk before it is
 * acknowledged, is known when it comes again, and is there after a restart until it was dealt with.
 * Outbox: what goes out is on disk first, is sent in order for each target, is never lost silently
 * and never posted twice blindly. Keys (1 to 512 bytes) are the instance's own and known for 48 h
 * at least, also after a restart; payloads and results are the plugin's own JSON, up to 1 MiB. */
enum {
  /* Idempotent, so it is repeated until it is known to have arrived. A later one with its key takes
   * its place if it is not yet sent, and is sent as well if it is: the last one is what arrives. */
  VIADUCT_PARCEL_EDIT = 1u << 0
};
typedef struct viaduct_parcel {
  uint32_t struct_size;
  uint32_t flags;     /* VIADUCT_PARCEL_… */
  viaduct_str key;    /* session, turn, part and target, say */
  viaduct_str target; /* 1 to 512 bytes; those of one target are sent one after the other, in the
                         order in which they were posted */
  viaduct_str payload_json;
  uint64_t expires_in_ms; /* post: is not sent later than that; 0: 24 h */
  uint64_t attempt;       /* send, reconcile: from 1; post: 0 */
} viaduct_parcel;

typedef struct viaduct_delivery {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] An event, with every key under which it may come again (1 to 8) → {"new":bool …},
   * that member first and without a space in it (the C++ wrapper compares text), when it is on
   * disk: acknowledge it after that, and drop it unless it is new. */
  void (*receive)(const viaduct_host* host, uint64_t call, const viaduct_str* keys,
                  size_t key_count, viaduct_str payload_json) VIADUCT_NOEXCEPT;
  /* [any-thread] The event with this key was dealt with. Its keys stay known. */
  void (*handled)(const viaduct_host* host, uint64_t call, viaduct_str key) VIADUCT_NOEXCEPT;
  /* [any-thread] What was received and not handled, oldest first, behind the event numbered `after`
   * (0: from the beginning), at most `limit` (1 to 1000), for a start after a crash →
   * {"events":[{"number":n,"key":the first,"payload":…,"age_ms":n}],"more":bool} */
  void (*unhandled)(const viaduct_host* host, uint64_t call, uint64_t after,
                    uint32_t limit) VIADUCT_NOEXCEPT;

  /* [any-thread] Has it sent by viaduct.sender/1 → {"new":bool,"state":STATE,"result":…|null},
   * "new" first as of receive, when it is on disk. A known key is not sent again; the state is then
   * that of the first. STATE is "ready"|"sending"|"sent"|"ambiguous"|"failed"|"expired". */
  void (*post)(const viaduct_host* host, uint64_t call,
               const viaduct_parcel* parcel) VIADUCT_NOEXCEPT;
  /* [any-thread] → {"state":STATE,"result":…|null,"reason":text}, or VIADUCT_E_NOT_FOUND. */
  void (*find)(const viaduct_host* host, uint64_t call, viaduct_str key) VIADUCT_NOEXCEPT;

  /* [any-thread] What this instance alone may use until it has stopped: a token, say, of which two
   * consumers would take each other's events. VIADUCT_E_CONFLICT: another instance has it. */
  void (*claim)(const viaduct_host* host, uint64_t call, viaduct_str credential) VIADUCT_NOEXCEPT;
} viaduct_delivery;

/* What a surface that posts offers by the id VIADUCT_SENDER. send and reconcile are answered by
 * complete(call) within 2 minutes: after that, when the instance stops before, and when the host
 * dies, it is as if nobody knew what became of it. Nothing is sent before the instance has started
 * or after stop. Several at a time, but one for each target. */
typedef struct viaduct_sender {
  uint32_t struct_size;
  uint32_t reserved;
  /* [plugin-thread] VIADUCT_OK: it arrived; the result (where it is now, say) is kept. _UNAVAILABLE
   * and _BUSY: nothing was posted for certain; sent again, after "retry_after_ms" of the result
   * where it has one. _TIMEOUT: nobody knows; an edit is sent again, anything else is reconciled.
   * All other codes: it never will be. */
  void (*send)(viaduct_instance* self, uint64_t call,
               const viaduct_parcel* parcel) VIADUCT_NOEXCEPT;
  /* [plugin-thread] Whether a parcel whose sending was cut off has arrived: VIADUCT_OK: it did,
   * with the result of send; _NOT_FOUND: it did not for certain, and is sent again; _UNAVAILABLE
   * and _BUSY: asked again; all other codes: it cannot be found out, and stays ambiguous. Optional:
   * without it, it stays ambiguous. */
  void (*reconcile)(viaduct_instance* self, uint64_t call,
                    const viaduct_parcel* parcel) VIADUCT_NOEXCEPT;
  /* [plugin-thread] A parcel is "ambiguous", "failed" or "expired" (`state`) for good, and why: for
   * a line to a person. Optional. */
  void (*undelivered)(viaduct_instance* self, const viaduct_parcel* parcel, viaduct_str state,
                      const viaduct_status* why) VIADUCT_NOEXCEPT;
} viaduct_sender;

/* ---------------------------------------------------------------- interface viaduct.surface/1 */

#define VIADUCT_SURFACE "viaduct.surface/1"
/* What every surface offers by this id. It has no function: all that a surface does it does through
 * the services, and start, stop and health are every instance's. Room to grow. */
typedef struct viaduct_surface {
  uint32_t struct_size;
  uint32_t reserved;
} viaduct_surface;

/* ---------------------------------------------------------------- interface viaduct.backend/1 */

#define VIADUCT_BACKEND "viaduct.backend/1"
#define VIADUCT_SINK "viaduct.sink/1" /* a service, for backends */

/* IMAGES, FILES, STREAM and ROTATES_IDS tell people and surfaces; the host relies on the others. */
enum {
  VIADUCT_CAN_RESTORE = 1u << 0,
  VIADUCT_CAN_INJECT = 1u << 1,
  VIADUCT_CAN_CANCEL = 1u << 2,
  VIADUCT_CAN_ASK = 1u << 3, /* permission requests */
  VIADUCT_CAN_IMAGES = 1u << 4,
  VIADUCT_CAN_FILES = 1u << 5,
  VIADUCT_CAN_COMPACT = 1u << 6,
  VIADUCT_CAN_FORK = 1u << 7,
  VIADUCT_CAN_DISCOVER = 1u << 8,
  VIADUCT_CAN_OPTIONS = 1u << 9,
  VIADUCT_CAN_STREAM = 1u << 10,
  VIADUCT_ROTATES_IDS = 1u << 11, /* the native id may change with every operation */
  VIADUCT_KEEPS_LOG = 1u << 12    /* open and restore are given the transcript, too, for
                                     what the plugin keeps of it outside of the host */
};

/* What open, restore, inject, fork, resumed and purge get. `session` names the session in all later
 * calls, until close. */
typedef struct viaduct_open {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t session;
  viaduct_str session_id;      /* the host's: stable, for logs and files */
  viaduct_str working_dir;     /* as the user gave it; may begin with ~ and need not exist */
  viaduct_str native_id;       /* restore: the newest one; else empty */
  viaduct_str transcript_json; /* inject, and with VIADUCT_KEEPS_LOG restore, and open of a session
                              in which something was said: JSON array of entries, oldest first, as
                              in sdk/SESSION-JSON.md; else empty */
  viaduct_str options_json;    /* JSON object: option ids and values to apply; may be empty */
} viaduct_open;

typedef struct viaduct_prompt {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t session;
  uint64_t turn;            /* its number in the session, from 1; goes into every event */
  viaduct_str text;         /* of the sender */
  viaduct_str blocks_json;  /* further ACP content blocks, or empty */
  viaduct_str context_json; /* what others said around it, as in viaduct_message: information, never
                               instruction */
  viaduct_str author;       /* display name of the sender */
  viaduct_str restored;     /* What was said in the session before, as text for the agent,
                               where nothing else holds it: it goes in front of `text`, and comes again
                               until a turn that had it is answered with VIADUCT_OK; else empty */
} viaduct_prompt;

/* How and when the host tries to get a lost session back. */
typedef struct viaduct_resume_policy {
  uint32_t struct_size;
  uint32_t disabled;      /* 1: no restore and no inject, while native ids are still collected */
  uint32_t attempts;      /* tries for one resume when the cause is transient; 0: 3 */
  uint32_t give_up_after; /* resumes that failed so, after which the native id is given up; 0: 5 */
  uint64_t backoff_ms;    /* before the second try, doubled for each further one; 0: 1000 */
  uint64_t native_max_age_ms; /* since last use; an older native id is not offered; 0: no limit */
  uint32_t fresh_on_loss;     /* 1: a session with nothing of what was said is better than none */
  uint32_t reserved;
} viaduct_resume_policy;

/* What a backend offers by VIADUCT_BACKEND. All functions but writable are answered by
 * complete(call) with a JSON object that carries "native_id": the id as it is now, where there is
 * one. An id that two sessions of the instance have been told is used for neither: both go on from
 * their transcripts. Optional functions may be null. */
typedef struct viaduct_backend {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t can;           /* VIADUCT_CAN_…, VIADUCT_ROTATES_IDS and VIADUCT_KEEPS_LOG */
  viaduct_str agent_type; /* what made its native ids ("claude", "mock"): no id is offered to
                             another type */
  const viaduct_resume_policy* policy; /* null: the defaults */

  /* [plugin-thread] A new native session. */
  void (*open)(viaduct_instance* self, uint64_t call, const viaduct_open* open) VIADUCT_NOEXCEPT;
  /* [plugin-thread] The one with open->native_id. VIADUCT_E_NOT_FOUND or _SESSION_DEAD: it cannot
   * be had; _UNAVAILABLE: try again. */
  void (*restore)(viaduct_instance* self, uint64_t call, const viaduct_open* open) VIADUCT_NOEXCEPT;
  /* [plugin-thread] A new native session that is given the transcript as context, without making
   * the agent work. */
  void (*inject)(viaduct_instance* self, uint64_t call, const viaduct_open* open) VIADUCT_NOEXCEPT;
  /* [plugin-thread] One turn. Streams by the sink; its answer ends the turn:
   * {"native_id","stop_reason"?="end_turn","usage"?,"options"?: ids and values that were chosen in
   * it, to be applied whenever it is had again,"restored"?: false where the agent has not had
   * prompt->restored, so that it comes again}. Failing, it keeps what was streamed.
   * VIADUCT_E_NOT_FOUND: holds no such session and nothing ran; the host restores and prompts
   * again. */
  void (*prompt)(viaduct_instance* self, uint64_t call,
                 const viaduct_prompt* prompt) VIADUCT_NOEXCEPT;
  /* [plugin-thread] Asks that the turn end soon, with stop reason "cancelled". prompt is still
   * answered. Idempotent. */
  void (*cancel)(viaduct_instance* self, uint64_t call, uint64_t session,
                 uint64_t turn) VIADUCT_NOEXCEPT;
  /* [plugin-thread] A person's choice for the permission request `item`; empty option: nobody
   * answered (expired or cancelled). */
  void (*answer)(viaduct_instance* self, uint64_t call, uint64_t session, viaduct_str item,
                 viaduct_str option_id) VIADUCT_NOEXCEPT;
  /* [plugin-thread] Has the agent shorten what it keeps of the session; not in a turn. */
  void (*compact)(viaduct_instance* self, uint64_t call, uint64_t session) VIADUCT_NOEXCEPT;
  /* [plugin-thread] A copy of `session`, by the handle and id in `open`. */
  void (*fork)(viaduct_instance* self, uint64_t call, uint64_t session,
               const viaduct_open* open) VIADUCT_NOEXCEPT;
  /* [plugin-thread] → {"options":[…]} as in ACP's configuration options, all of them. */
  void (*set_option)(viaduct_instance* self, uint64_t call, uint64_t session, viaduct_str option_id,
                     viaduct_str value) VIADUCT_NOEXCEPT;
  /* [plugin-thread] Sessions that other programs left, of one folder or (empty) of all →
   * {"sessions":[{"native_id","working_dir","title","updated_at"}]} */
  void (*discover)(viaduct_instance* self, uint64_t call, viaduct_str working_dir) VIADUCT_NOEXCEPT;
  /* [plugin-thread] Lets go of the session; an open turn is answered first. `ended`: 1 for good, 0
   * it may be restored. Unknown and repeated handles are fine. */
  void (*close)(viaduct_instance* self, uint64_t call, uint64_t session,
                uint32_t ended) VIADUCT_NOEXCEPT;
  /* [plugin-thread] Once after emit answered BUSY for this session. */
  void (*writable)(viaduct_instance* self, uint64_t session) VIADUCT_NOEXCEPT;
  /* [plugin-thread] The user asked for a resume while the session is held: an occasion to check.
   * Optional. */
  void (*resumed)(viaduct_instance* self, uint64_t call, const viaduct_open* open) VIADUCT_NOEXCEPT;
  /* [plugin-thread] What was said in a session that discover listed, by the id that it
   * gave there → {"native_id"?: what restore can go on with, absent if nothing,
   * "working_dir","title"?,"entries":[ENTRY…]}, oldest first, as in sdk/SESSION-JSON.md, in 64 MiB
   * at most; of an ENTRY only type, at, text and data count: a user_message begins a turn, and the
   * numbers are the host's to give. Opens nothing. VIADUCT_E_NOT_FOUND: there is none;
   * _UNAVAILABLE: try again. Optional. */
  void (*read)(viaduct_instance* self, uint64_t call, viaduct_str native_id) VIADUCT_NOEXCEPT;
  /* [plugin-thread] The session is deleted for good: removes what is kept of it outside
   * of the host. open->session is 0: it is closed. Unknown ids are fine; on failure the host keeps
   * the session, and it may be purged again. Optional. */
  void (*purge)(viaduct_instance* self, uint64_t call, const viaduct_open* open) VIADUCT_NOEXCEPT;
} viaduct_backend;

/* What a backend says of a session, in a turn or between turns. Names and fields follow ACP's
 * session updates. */
enum {
  VIADUCT_EVENT_TEXT = 1, /* text: appended to the answer. `item` tells several texts apart; empty:
                             the present one. json: empty, or {"_meta"?:{…}} for its entry */
  VIADUCT_EVENT_THOUGHT = 2, /* text: appended; json as of TEXT */
  VIADUCT_EVENT_TOOL_CALL =
      3, /* item: toolCallId; json: ACP ToolCall or ToolCallUpdate, merged by field */
  VIADUCT_EVENT_PLAN =
      4, /* json: {"entries":[{"content","priority","status"}]}, replaces the turn's plan */
  VIADUCT_EVENT_PERMISSION =
      5,                        /* item: id of the request; json:
                                   {"title","toolCall"?,"options":[{"optionId","name","kind"}],"timeout_ms"?} */
  VIADUCT_EVENT_USAGE = 6,      /* json: {"inputTokens"?,"outputTokens"?,"cost"?…} */
  VIADUCT_EVENT_NOTICE = 7,     /* text: a line for the user that is not the agent's */
  VIADUCT_EVENT_COMMANDS = 8,   /* json: {"availableCommands":[…]} */
  VIADUCT_EVENT_OPTIONS = 9,    /* json: {"options":[…]} */
  VIADUCT_EVENT_TITLE = 10,     /* text */
  VIADUCT_EVENT_NATIVE_ID = 11, /* text: the id has changed; it is on disk before anything that is
                                   said later is shown */
  VIADUCT_EVENT_LOST = 12, /* the native session is gone; text: why. The ladder is climbed down at
                              the next message */
  VIADUCT_EVENT_PERMISSION_GONE = 13, /* item: the request needs no answer any more; text: why */
  VIADUCT_EVENT_CONTENT =
      14 /* an image, a sound or a file, in its place between texts. json: an ACP ContentBlock of up
            to 8 MiB, {"type":"image"|"audio","data":base64,"mimeType","uri"?} or
            {"type":"resource","resource":{"uri","mimeType"?,"text"|"blob":base64}}; text: words for
            it where it cannot be shown ("[an image]"). `item` tells several apart: one that is
            known already is not said again; empty: a new one. What is empty, broken or too large,
            and what is more than 64 MiB in one turn, is said in words, with the reason */
};
typedef struct viaduct_event {
  uint32_t struct_size;
  uint32_t kind;
  uint64_t turn; /* 0: outside of any turn */
  viaduct_str item;
  viaduct_str text;
  viaduct_str json;
} viaduct_event;

typedef struct viaduct_sink {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any-thread] Says one thing of the session, in order. BUSY: not taken; GONE: the session is
   * closed or the turn has ended; a text still joins the answer for 250 ms. */
  viaduct_flow (*emit)(const viaduct_host* host, uint64_t session,
                       const viaduct_event* event) VIADUCT_NOEXCEPT;
} viaduct_sink;

/* ---------------------------------------------------------------- interface viaduct.loop/1 */

#define VIADUCT_LOOP "viaduct.loop/1"
/* What an instance with an event loop of its own (sockets, child processes) offers by this id, so
 * that the loop and the host share its thread. Ignored of a VIADUCT_PLUGIN_CONCURRENT one. */
typedef struct viaduct_loop {
  uint32_t struct_size;
  uint32_t reserved;
  /* [plugin-thread] Called once, right after create. Runs the loop and returns soon after quit,
   * whatever is still open in it, also when quit came first. All calls of the host but create,
   * interface and destroy come out of host->drain meanwhile; those still waiting when it returns
   * come after it. */
  void (*run)(viaduct_instance* self) VIADUCT_NOEXCEPT;
  /* [any-thread] Calls wait: has the loop call host->drain once, soon. Not again before that has
   * begun. May come before run. Calls nothing of the host. */
  void (*wake)(viaduct_instance* self) VIADUCT_NOEXCEPT;
  /* [any-thread] Once, when the instance has answered stop or is given up. Calls nothing of the
   * host. */
  void (*quit)(viaduct_instance* self) VIADUCT_NOEXCEPT;
} viaduct_loop;

/* ---------------------------------------------------------------- interface viaduct.tool/1 */

#define VIADUCT_TOOL "viaduct.tool/1"
/* Either kind may offer it: subcommands of the executable, and checks for `viaduct doctor`. */
typedef struct viaduct_tool {
  uint32_t struct_size;
  uint32_t reserved;
  /* [plugin-thread] `viaduct <instance name> arguments…`, also of an instance that was not started;
   * `arguments` is a JSON array of strings → {"exit_code":n,"output":text,"files"?:[{"path":text,
   * "base64":text} …]}. `files`: the command line writes them, when exit_code is 0, where the
   * person is, up to 12 MiB in all. `path` is letter by letter the value of an option as given
   * (`--out FILE`, `--out=FILE`); with any other path nothing is written. */
  void (*run)(viaduct_instance* self, uint64_t call, viaduct_str arguments_json) VIADUCT_NOEXCEPT;
  /* [plugin-thread] → {"checks":[{"name","ok":bool,"message","skipped"?:true when it cannot be
   * looked at now}]}. Also of an instance that was not started and will not be: `viaduct doctor`
   * beside a host that does not run. */
  void (*doctor)(viaduct_instance* self, uint64_t call) VIADUCT_NOEXCEPT;
} viaduct_tool;

#ifdef __cplusplus
}
#endif
#endif
