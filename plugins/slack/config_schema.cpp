#include "plugins/slack/config.hpp"

namespace viaduct::slack {

constexpr const char kSchema[] = R"json({
  "type": "object",
  "x-needs-backend": true,
  "additionalProperties": false,
  "definitions": {
    "token": {"type": "string", "description": "a reference, such as ${env:SLACK_BOT_TOKEN}"},
    "users": {"type": "array", "items": {"type": "string", "pattern": "^([TE][A-Z0-9_]+/)?[UW][A-Z0-9_]+$", "x-expects": "a member ID such as U0123ABCD (in a person's profile on Slack, under \"Copy member ID\")"}},
    "channels": {"type": "array", "items": {"type": "string", "pattern": "^[CGD][A-Z0-9_]+$", "x-expects": "a channel ID such as C0123ABCD (at the end of the channel's details on Slack), not its name"}},
    "folder": {"type": "string", "pattern": "^(~|~?/.*)$", "x-folder": true, "x-expects": "a folder that begins with / or ~/"}
  },
  "properties": {
    "mode": {"enum": ["socket", "http"], "description": "socket (the default): Viaduct connects to Slack and needs no public address; http: Slack sends requests"},
    "app_token": {"$ref": "#/definitions/token", "x-credential": true, "description": "xapp-…, for mode socket"},
    "bot_token": {"$ref": "#/definitions/token", "x-credential": true, "description": "xoxb-…; not needed with client_id, where workspaces are installed from a browser"},
    "signing_secret": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}], "description": "for mode http; several while one is replaced"},
    "client_id": {"type": "string", "description": "for the installation in several workspaces (OAuth)"},
    "client_secret": {"$ref": "#/definitions/token"},
    "workspaces": {
      "description": "which workspaces may install the app by OAuth: their ids, or any; must be given with client_id",
      "oneOf": [{"enum": ["any"]}, {"type": "array", "items": {"type": "string", "pattern": "^[TE][A-Z0-9_]+$"}}]
    },
    "key_file": {"type": "string", "pattern": "^~?/", "x-expects": "a file that begins with / or ~/", "description": "with which tokens are encrypted; default: beside the database"},
    "public_url": {"type": "string", "pattern": "^(https?://.*)?$", "x-expects": "an address such as https://viaduct.example.com", "description": "where Slack finds this host, such as https://viaduct.example.com; for mode http and OAuth"},
    "command": {"type": "string", "pattern": "^/[a-z0-9_-]{1,31}$", "x-expects": "a slash and up to 31 small letters, digits, - and _, such as /amp", "description": "the slash command; default /amp"},
    "default_working_dir": {"$ref": "#/definitions/folder", "description": "of new sessions; default ~"},
    "max_sessions_per_user": {"type": "integer", "minimum": 1, "maximum": 10000, "description": "default 10"},
    "allow": {
      "x-wanted": "nobody may talk to the bot; add allow: everyone (all members of the workspace), or allow: {users: [member IDs]}",
      "description": "whom the bot answers: everyone (members of the workspace, never guests or strangers), or these people anywhere and the members in these channels, or both; without it: nobody. Ids of people of other workspaces than the bot token's are T…/U…",
      "x-expects": "everyone, or a map such as {everyone: true, users: [U0123ABCD], channels: [C0123ABCD]}",
      "oneOf": [
        {"enum": ["everyone"]},
        {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "everyone": {"type": "boolean"},
            "users": {"$ref": "#/definitions/users"},
            "channels": {"$ref": "#/definitions/channels"}
          }
        }
      ]
    },
    "operators": {"$ref": "#/definitions/users", "description": "who may answer for others and use --dir outside of working_dirs"},
    "working_dirs": {"type": "array", "items": {"$ref": "#/definitions/folder"}, "description": "--dir stays below these; default [~]"},
    "mention_only": {"type": "boolean", "description": "messages in a thread with a session go to it only with a mention; default false"},
    "simulator": {"type": "boolean", "description": "a page to try it without Slack, on this computer only; needs no tokens and takes none; default false"},
    "api_base_url": {"type": "string", "pattern": "^https?://.+", "x-expects": "an address such as https://slack.com/api/", "description": "default https://slack.com/api/; http only on this computer"}
  }
})json";

constexpr const char kExample[] =
    R"json({"mode": "http", "bot_token": "xoxb-none", "signing_secret": "example", )json"
    R"json("public_url": "http://127.0.0.1:9", )json"
    R"json("api_base_url": "http://127.0.0.1:9/api/"})json";

}  // namespace viaduct::slack
