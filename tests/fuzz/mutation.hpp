// For the short walks of the fuzz targets that run with the other tests: recorded inputs, changed
// at random by a fixed seed, the same on every machine. For one thread.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::fuzz {

inline std::vector<std::string> corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(folder)) files.push_back(file.path());
  std::sort(files.begin(), files.end());  // the order of a folder is none
  std::vector<std::string> inputs;
  for (const auto& file : files) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    inputs.push_back(text.str());
  }
  return inputs;
}

// Not std::uniform_int_distribution, which differs between libraries.
class Dice {
 public:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }

 private:
  std::mt19937 random_{20260820};
};

inline void mutate(std::string& input, const std::vector<std::string>& inputs,
                   const std::vector<std::string_view>& pieces, Dice& dice) {
  const std::size_t at = dice.below(input.size() + 1);
  const std::size_t length = dice.below(std::min<std::size_t>(input.size() - at, 40) + 1);
  switch (dice.below(6)) {
    case 0: input.erase(at, length); break;
    case 1: input.insert(at, pieces[dice.below(pieces.size())]); break;
    case 2: input.replace(at, length, pieces[dice.below(pieces.size())]); break;
    case 3: input.insert(at, input.substr(at, length)); break;
    case 4:
      if (at < input.size()) input[at] = static_cast<char>(dice.below(256));
      break;
    default: {
      const std::string& other = inputs[dice.below(inputs.size())];
      const std::size_t from = dice.below(other.size() + 1);
      input.replace(at, length, other.substr(from, dice.below(60)));
    }
  }
}

// Each input as it is, and `rounds` that are changed in up to five places.
template <class Feed>
void walk(const std::vector<std::string>& inputs, const std::vector<std::string_view>& pieces,
          int rounds, Feed feed) {
  ASSERT_GT(inputs.size(), 10U);
  for (const std::string& input : inputs) feed(input);
  Dice dice;
  for (int round = 0; round < rounds; ++round) {
    std::string input = inputs[dice.below(inputs.size())];
    for (std::size_t i = 1 + dice.below(5); i > 0; --i) mutate(input, inputs, pieces, dice);
    feed(input);
  }
}

// Each input, cut short at every seventh byte.
template <class Feed>
void cut_short(const std::vector<std::string>& inputs, Feed feed) {
  for (const std::string& input : inputs)
    for (std::size_t size = 0; size < input.size(); size += 7)
      feed(std::string_view(input).substr(0, size));
}

}  // namespace viaduct::fuzz
