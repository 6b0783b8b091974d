#include "plugins/teams/config.hpp"

namespace viaduct::teams {

constexpr const char kSchema[] = R"json({
  "type": "object",
  "x-needs-backend": true,
  "additionalProperties": false,
  "required": ["app_id"],
  "anyOf": [{"required": ["app_password"]}, {"required": ["certificate"]}, {"required": ["allow_anonymous_loopback"]}],
  "x-expects": "app_password (the client secret's value, at Entra under App registrations, Certificates & secrets), or certificate: {cert: …, key: …}",
  "definitions": {
    "guid": {"type": "string", "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$", "x-expects": "an id such as 00000000-0000-0000-0000-000000000000"},
    "guids": {"type": "array", "items": {"$ref": "#/definitions/guid"}},
    "people": {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$", "x-expects": "the object id of a person, such as 00000000-0000-0000-0000-000000000000, at Entra under Users; not a mail address"}},
    "guid_or_nothing": {"type": "string", "pattern": "^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})?$", "x-expects": "an id such as 00000000-0000-0000-0000-000000000000, or nothing"},
    "folder": {"type": "string", "pattern": "^(~|~?/.*)$", "x-folder": true, "x-expects": "a folder that begins with / or ~/"},
    "file": {"type": "string", "pattern": "^~?/", "x-secret": false, "x-expects": "a file that begins with / or ~/"},
    "link": {"type": "string", "pattern": "^(https://.+)?$", "x-expects": "an address such as https://example.com/privacy"},
    "address": {"type": "string", "pattern": "^(https?://.+)?$", "x-secret": false, "x-expects": "an address such as https://viaduct.example.com"}
  },
  "properties": {
    "app_id": {"$ref": "#/definitions/guid", "x-credential": true, "description": "the Application (client) ID, at Entra under App registrations"},
    "app_password": {"type": "string", "description": "the client secret's value, as a reference such as ${env:TEAMS_APP_PASSWORD}; or certificate"},
    "certificate": {
      "type": "object",
      "description": "instead of app_password: files of PEM",
      "additionalProperties": false,
      "required": ["cert", "key"],
      "properties": {"cert": {"$ref": "#/definitions/file"}, "key": {"$ref": "#/definitions/file"}}
    },
    "tenant_id": {"$ref": "#/definitions/guid_or_nothing", "description": "the bot's own tenant; empty: a bot for many tenants, which allowed_tenants names"},
    "transport": {"enum": ["http", "socket"], "description": "http (the default): Teams sends requests to public_url; socket: Viaduct connects to Teams and needs no public address"},
    "socket_geos": {"type": "array", "minItems": 1, "items": {"enum": ["amer", "emea", "apac"]}, "description": "where people's Teams is, for transport socket; default all"},
    "cloud": {"enum": ["public", "usgov", "dod", "china"], "description": "default public"},
    "allowed_tenants": {"$ref": "#/definitions/guids", "description": "whose people may use the bot at all; default: those of tenant_id"},
    "allow": {
      "x-wanted": "nobody may talk to the bot; add allow: everyone (all people of its tenant), or allow: {users: [object ids of Entra]}",
      "description": "whom the bot answers: everyone of the allowed tenants, or these people anywhere and everybody in these teams; without it: nobody",
      "x-expects": "everyone, or {users: […], teams: […]}",
      "oneOf": [
        {"enum": ["everyone"]},
        {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "users": {"$ref": "#/definitions/people"},
            "teams": {"type": "array", "items": {"type": "string", "pattern": "^(19:.+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})$", "x-expects": "the id of a team, as in the link to it (19:…), or groupId there"}}
          }
        }
      ]
    },
    "operators": {"$ref": "#/definitions/people", "description": "who may answer for others and use --dir outside of working_dirs: object ids of Entra"},
    "allow_entra_tokens": {"type": "boolean", "description": "also take tokens of Entra, as the Emulator has them; default false"},
    "allow_anonymous_loopback": {"type": "boolean", "description": "take requests without a token from this computer, as the Agents Playground sends them; only where the listener is on this computer, too; default false"},
    "endpoints": {
      "type": "object",
      "description": "instead of the cloud's own; http only on this computer",
      "additionalProperties": false,
      "properties": {
        "openid_metadata": {"$ref": "#/definitions/address"},
        "entra_metadata": {"$ref": "#/definitions/address"},
        "token": {"$ref": "#/definitions/address"},
        "connect": {"$ref": "#/definitions/address"},
        "service_hosts": {"type": "array", "items": {"type": "string"}}
      }
    },
    "messages_alias": {"type": "boolean", "x-route": {"path": "/api/messages", "unless": {"transport": "socket"}}, "description": "the short address /api/messages, too; default true"},
    "public_url": {"$ref": "#/definitions/address", "description": "where Teams finds this host, such as https://viaduct.example.com"},
    "channel_messages": {"enum": ["addressed", "all"], "description": "addressed (the default): in group chats and channels the bot hears what mentions it; all: everything, by a permission that the app's package asks for"},
    "edits": {"enum": ["ignore", "offer"], "description": "an edited message: ignore (the default), or offer a button to run it again"},
    "extended_markdown": {"type": "boolean", "description": "answers with headings and tables, which old clients show raw; default false"},
    "ai_label": {"type": "boolean", "description": "answers are labelled as made by AI; default true"},
    "feedback": {"type": "boolean", "description": "buttons for feedback below answers; default true"},
    "targeted_messages": {"type": "boolean", "description": "words for one person in a channel or group chat as a message that nobody else sees there, which is a preview of Teams; default false: in their chat with the bot"},
    "keep_files": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "x-expects": "a time such as 12h or 7d", "description": "how long a file that was offered waits for an answer; default 7d"},
    "greeting": {"oneOf": [{"type": "boolean"}, {"type": "string"}], "description": "what the bot says when it is installed; false: nothing"},
    "default_working_dir": {"$ref": "#/definitions/folder", "description": "of new sessions; default ~"},
    "working_dirs": {"type": "array", "items": {"$ref": "#/definitions/folder"}, "description": "--dir stays below these; default [~]"},
    "max_sessions_per_user": {"type": "integer", "minimum": 1, "maximum": 10000, "description": "default 10"},
    "app": {
      "type": "object",
      "description": "what the app's package says",
      "additionalProperties": false,
      "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 30},
        "full_name": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "minLength": 1, "maxLength": 80},
        "full_description": {"type": "string", "maxLength": 4000},
        "developer": {"type": "string", "minLength": 1, "maxLength": 32},
        "website": {"$ref": "#/definitions/link"},
        "privacy": {"$ref": "#/definitions/link"},
        "terms": {"$ref": "#/definitions/link"},
        "version": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$", "x-expects": "three numbers such as 1.0.0", "description": "to be raised for every change; default 1.0.0"},
        "accent_color": {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$", "x-expects": "a colour such as #5B6DEF"}
      }
    }
  }
})json";

constexpr const char kExample[] =
    R"json({"app_id": "00000000-0000-0000-0000-000000000001", "app_password": "example", )json"
    R"json("tenant_id": "00000000-0000-0000-0000-000000000002", "endpoints": {)json"
    R"json("openid_metadata": "http://127.0.0.1:9/openid", "token": "http://127.0.0.1:9/token", )json"
    R"json("connect": "http://127.0.0.1:9", "service_hosts": ["127.0.0.1"]}})json";

}  // namespace viaduct::teams
