// A model's Markdown as mrkdwn, for where Slack takes no `markdown` block. Any thread.
//
// What mrkdwn cannot do is shown as text: headings bold, images as links, task lists with boxes, a
// small table as aligned code and a large one with a line for each row. Everything of the model is
// data: it makes no mention, calls nobody, and links only to addresses of the web, mail and phone.
#pragma once

#include <string>
#include <string_view>

namespace viaduct::slack {

std::string mrkdwn(std::string_view markdown);

}  // namespace viaduct::slack
