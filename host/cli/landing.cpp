#include "host/cli/landing.hpp"

namespace viaduct::cli {
namespace {

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string_view words(plugins::InstanceState state) {
  switch (state) {
    case plugins::InstanceState::starting: return "starting";
    case plugins::InstanceState::running: return "running";
    case plugins::InstanceState::stopped: return "stopped";
    case plugins::InstanceState::failed: return "failed";
  }
  return "";
}

}  // namespace

http::Response landing_page(const std::vector<plugins::InstanceStatus>& instances) {
  std::string rows;
  for (const auto& instance : instances) {
    const bool failed = instance.state == plugins::InstanceState::failed;
    if (!instance.is_surface && !failed) continue;
    const std::string name = escape(instance.name);
    rows += instance.page.empty()
                ? "<li><b>" + name + "</b>"
                : "<li><a href=\"" + escape(instance.page) + "\">" + name + "</a>";
    rows += " <span>" + std::string(words(instance.state));
    if (instance.error)
      rows += ": " + escape(instance.error->message);
    else if (instance.page.empty())
      rows += ": " + escape(instance.summary);
    rows += "</span></li>";
  }
  if (rows.empty())
    rows =
        "<li>No surface is configured. Add one under <code>surfaces:</code> and run <code>viaduct "
        "reload</code>.</li>";
  return {
      200,
      {{"Content-Type", "text/html; charset=utf-8"}, {"Cache-Control", "no-cache"}},
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"><title>Viaduct</title><link "
      "rel=\"stylesheet\" "
      "href=\"/viaduct.css\"></head><body><main><h1>Viaduct</h1><p>Surfaces of this host:</p><ul>" +
          rows + "</ul></main></body></html>"};
}

http::Response landing_style() {
  return {200,
          {{"Content-Type", "text/css; charset=utf-8"}, {"Cache-Control", "no-cache"}},
          ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
          "body{margin:0;display:grid;min-height:100vh;place-items:center;"
          "background:light-dark(#f7f7f5,#17181a);color:light-dark(#1d1e20,#e8e8e6)}"
          "main{padding:2rem;max-width:32rem;width:100%;box-sizing:border-box}h1{font-size:1.5rem;"
          "margin:0}"
          "ul{list-style:none;padding:0;display:grid;gap:.5rem}"
          "li{display:flex;justify-content:space-between;gap:1rem;padding:.75rem "
          "1rem;border-radius:.6rem;"
          "background:light-dark(#fff,#222427);border:1px solid light-dark(#e3e3df,#34373b)}"
          "a{color:inherit;font-weight:600}span{opacity:.7}"};
}

}  // namespace viaduct::cli
