// A plugin's `config:` against the JSON Schema of its descriptor. Any thread.
//
// What a schema may use: type (a name or a list of names), properties, required,
// additionalProperties (false, true or a schema), enum, items (one schema for all), minItems,
// maxItems, uniqueItems, minimum, maximum, exclusiveMinimum and exclusiveMaximum (true or false, as
// in draft 4), multipleOf, minLength, maxLength, pattern, minProperties, maxProperties, oneOf,
// anyOf, allOf, not; and, without effect, title, description, default, examples, $schema, id,
// $comment. "x-expects", "a member ID such as U0123ABCD", is what a message says instead of the
// pattern or the type that is broken; "x-credential": true, of a text at the top, is what no two
// instances of the plugin may have in common; "x-folder": true, of a text at the top or the texts
// of a list there, is a folder that should be there; "x-secret": false, of a text, is none although
// its key sounds so, as the path of a key's file; "x-route": {"path": "/api/x", "unless": {"mode":
// "socket"}}, of a boolean at the top that is true where it is not given, is an address of the host
// that one instance alone can have (a warning); "x-wanted", words, of what is at the top, is why
// to warn where it is not given. A surface's may have "x-needs-backend": true at its top.
// {"$ref": "#/definitions/name"} stands for what `definitions` of the whole schema has by that
// name. Patterns know ( ) | ? * + {n,m} . [ ] ^ $ and \ before one of these, \n, \r, \t,
// \f,
// \v; neither \d, \w, \s, \b nor look-ahead. A schema that uses anything else (const, format, if …)
// is refused, so that nothing looks checked that is not.
#pragma once

#include "host/config/config.hpp"
#include "host/config/yaml.hpp"

#include <string>
#include <utility>
#include <vector>

namespace viaduct::config {

// The schema with what it refers to put in place; the error says what is wrong with it.
Result<std::string> prepare_schema(const std::string& schema);

// Checks `node` (null: there is no `config:`, which is reported at `line` and `column`), reports
// every error, adds what the configuration consists of to `origins` below `path`, and returns it as
// JSON with sorted keys. The schema comes from prepare_schema(). Scalars are typed by YAML's core
// schema; what came from a reference is a string unless the schema wants something else there.
std::string check_plugin_config(const Node* node, int line, int column, const std::string& schema,
                                const std::string& path, const std::string& file, Report& report,
                                std::vector<Origin>& origins);

// Whether a text is as a part of a schema wants it.
bool fits(const std::string& schema, const std::string& text);
// Whether `config:` may have this key at its top.
bool schema_has_key(const std::string& schema, const std::string& key);
// What `config:` has under the keys whose schema says "x-credential": true, without empty ones.
std::vector<std::pair<std::string, std::string>> credentials_of(const std::string& schema,
                                                                const std::string& config);
// … and the folders by the key under which they stand, of those that say "x-folder": true.
std::vector<std::pair<std::string, std::string>> folders_of(const std::string& schema,
                                                            const std::string& config);
// … and what is not given although its schema says "x-wanted": the key, and why.
std::vector<std::pair<std::string, std::string>> wanted_of(const std::string& schema,
                                                           const std::string& config);
struct Route {
  std::string key;   // which gives it up when it is false
  std::string path;  // "/api/messages"
};
// … and the addresses of the host that it takes beside its own.
std::vector<Route> routes_of(const std::string& schema, const std::string& config);
// Takes back that texts are secret whose schema says "x-secret": false, if they are as it wants
// them and come from no file.
void open_values(Node& config, const std::string& schema);
// "x-needs-backend": true at the top of a surface's schema: without a backend it is of no use.
bool schema_needs_backend(const std::string& schema);

// The JSON string of a text.
std::string json_string(const std::string& text);

}  // namespace viaduct::config
