#include "plugins/bridge/config.hpp"

namespace viaduct::bridge {

constexpr const char kSchema[] = R"json({
  "type": "object",
  "required": ["driver"],
  "definitions": {
    "duration": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "description": "such as 500ms, 3s, 24h"},
    "home": {"type": "string", "pattern": "^[/~]", "description": "where transcript folders are; default Viaduct's home"},
    "transcripts": {"type": "boolean", "description": "false: no transcript folders are written"},
    "resume": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "enabled": {"type": "boolean"},
        "attempts": {"type": "integer", "minimum": 1, "maximum": 100},
        "backoff": {"$ref": "#/definitions/duration"},
        "give_up_after": {"type": "integer", "minimum": 1, "maximum": 1000}
      }
    }
  },
  "properties": {
    "driver": {"enum": ["llm", "cli"], "description": "llm: an HTTP model server; cli: an agent program"}
  },
  "oneOf": [{
    "type": "object",
    "additionalProperties": false,
    "required": ["driver", "model"],
    "properties": {
    "driver": {"enum": ["llm"]},
    "api": {"enum": ["openai", "anthropic"], "description": "what the server speaks: chat completions (OpenAI, Azure, Ollama, vLLM, llama.cpp, LM Studio, OpenRouter) or messages; default openai"},
    "base_url": {"type": "string", "pattern": "^https?://", "description": "such as http://127.0.0.1:11434/v1; default the vendor's"},
    "model": {"type": "string", "minLength": 1},
    "api_key": {"type": "string", "description": "a reference, such as ${env:OPENAI_API_KEY}"},
    "headers": {"type": "object", "additionalProperties": {"type": "string"}, "description": "further request headers"},
    "system": {"type": "string", "description": "the system prompt"},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "max_tokens": {"type": "integer", "minimum": 1, "description": "of one answer"},
    "thinking": {"oneOf": [{"enum": ["low", "medium", "high"]}, {"type": "integer", "minimum": 1024}],
                 "description": "how hard to think, or with how many tokens (anthropic)"},
    "extra": {"type": "object", "description": "further members of the request, such as top_p"},
    "context_tokens": {"type": "integer", "minimum": 1024, "description": "what the model can hold, for servers that cut without a word; older turns are summarised before that"},
    "compact_after": {"type": "integer", "minimum": 2, "description": "turns after which older ones are summarised; default: when they no longer fit"},
    "timeout": {"$ref": "#/definitions/duration", "description": "how long the server may be silent; default 5m"},
    "retry": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "attempts": {"type": "integer", "minimum": 1, "maximum": 20, "description": "in all; default 4"},
        "backoff": {"$ref": "#/definitions/duration"},
        "longest": {"$ref": "#/definitions/duration", "description": "the longest wait; default 1m"}
      }
    },
    "home": {"$ref": "#/definitions/home"},
    "transcripts": {"$ref": "#/definitions/transcripts"},
    "max_age": {"$ref": "#/definitions/duration"},
    "resume": {"$ref": "#/definitions/resume"}
    }
  }, {
    "type": "object",
    "additionalProperties": false,
    "required": ["driver"],
    "description": "driver cli needs preset or template",
    "anyOf": [{"required": ["preset"]}, {"required": ["template"]}],
    "properties": {
    "driver": {"enum": ["cli"]},
    "preset": {"type": "string", "minLength": 1, "description": "which program: claude, codex, gemini, opencode, amplifier, or a file of your own"},
    "template": {"type": "object", "description": "keys of the preset to replace, or all of them; see the presets' README"},
    "program": {"type": "string", "minLength": 1, "pattern": "^[^-]", "description": "where the program is, if not on the PATH"},
    "model": {"type": "string", "minLength": 1, "pattern": "^[^-]"},
    "arguments": {"type": "array", "items": {"type": "string"}, "description": "further arguments of the program; nothing secret"},
    "env": {"type": "object", "additionalProperties": {"type": "string"}, "description": "variables of the program; keys are for here, as references"},
    "timeout": {"$ref": "#/definitions/duration", "description": "how long the program may be silent; default 15m"},
    "compact_after": {"type": "integer", "minimum": 1, "description": "turns after which the program compacts the conversation; default never"},
    "home": {"$ref": "#/definitions/home"},
    "transcripts": {"$ref": "#/definitions/transcripts"},
    "max_age": {"$ref": "#/definitions/duration", "description": "ids older than that since their last use are not resumed; default 24h, 0s: no limit"},
    "resume": {"$ref": "#/definitions/resume"}
    }
  }]
})json";

constexpr const char kExample[] =
    R"json({"driver": "llm", "api": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "none",
  "retry": {"attempts": 1}, "transcripts": false})json";

}  // namespace viaduct::bridge
