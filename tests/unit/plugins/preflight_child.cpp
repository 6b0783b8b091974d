// What the loader starts for `preflight`: as the executable does it.
#include "host/plugins/plugins.hpp"

int main(int count, char** arguments) {
  if (count < 2 || std::string_view(arguments[1]) != "preflight") return 2;
  return viaduct::plugins::preflight_main({arguments + 2, arguments + count});
}
