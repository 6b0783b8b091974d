#include "host/telemetry/log.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace viaduct {
namespace {

TEST(Redactor, LeavesTextAloneWhenItKnowsNoSecret) {
  const Redactor redactor;
  EXPECT_EQ(redactor.apply("token=abcdefgh"), "token=abcdefgh");
}

TEST(Redactor, ReplacesEveryOccurrence) {
  Redactor redactor;
  redactor.add("hunter22");
  EXPECT_EQ(redactor.apply("hunter22 a hunter22hunter22"), "*** a ***");
  EXPECT_EQ(redactor.apply("hunter2"), "hunter2");
}

TEST(Redactor, DoesNotKeepValuesThatAreTooShort) {
  Redactor redactor;
  redactor.add("12345");
  redactor.add("");
  EXPECT_EQ(redactor.apply("12345"), "12345");
}

TEST(Redactor, HidesTheLongerOfTwoSecretsThatBeginAlike) {
  Redactor redactor;
  redactor.add("abcdef");
  redactor.add("abcdefghij");
  EXPECT_EQ(redactor.apply("<abcdefghij>"), "<***>");
}

TEST(Redactor, LeavesNothingOfSecretsThatOverlap) {
  Redactor redactor;
  redactor.add("abcdef");
  redactor.add("defghi");
  EXPECT_EQ(redactor.apply("<abcdefghi>"), "<***>");
}

TEST(Redactor, HidesTheLinesOfASecretWithSeveralLines) {
  Redactor redactor;
  redactor.add("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nend\n");
  EXPECT_EQ(redactor.apply("read MIIEvQIBADANBgkqhkiG then end"), "read *** then end");
}

TEST(Redactor, MayBeUsedFromSeveralThreads) {
  Redactor redactor;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&redactor, i] {
      const std::string secret = "secret-of-thread-" + std::to_string(i);
      redactor.add(secret);
      for (int n = 0; n < 200; ++n) EXPECT_EQ(redactor.apply("a " + secret + " b"), "a *** b");
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace viaduct
