// What can happen in a child, and that the parent survives and names it.
#include "fabric/recording/confined_child.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace irqfab::recording {
namespace {

using Ending = ConfinedChild::Ending;

struct Seen {
  std::string bytes;
  Ending ending{};
};

Seen see(const ConfinedChild::Work& work, const ChildLimits& limits = {}) {
  auto child = ConfinedChild::start(work, limits);
  EXPECT_TRUE(child);
  Seen seen;
  char part[1000];
  while (const std::size_t count = child->read(part, sizeof(part))) seen.bytes.append(part, count);
  seen.ending = child->ending();
  return seen;
}

TEST(ConfinedChild, SendsAllItsBytesAndEnds) {
  const std::string text(1'000'000, 'x');
  const Seen seen = see([&](ChildOutput& out) { out.write(text.data(), text.size()); });
  EXPECT_EQ(seen.bytes, text);
  EXPECT_EQ(seen.ending, Ending::Done);
}

TEST(ConfinedChild, ACrashIsNoEndOfWork) {
  const Seen seen = see([](ChildOutput& out) {
    out.write("ab", 2);
    std::abort();
  });
  EXPECT_EQ(seen.bytes, "ab");
  EXPECT_EQ(seen.ending, Ending::Crashed);
  EXPECT_EQ(see([](ChildOutput&) { ::_exit(1); }).ending, Ending::Crashed);
}

TEST(ConfinedChild, AnEndlessLoopRunsOutOfTime) {
  ChildLimits limits;
  limits.cpu_seconds = 1;
  EXPECT_EQ(see(
                [](ChildOutput&) {
                  for (volatile bool on = true; on;) {
                  }
                },
                limits)
                .ending,
            Ending::OutOfTime);
}

TEST(ConfinedChild, ASleeperIsKilledForItsSilence) {
  ChildLimits limits;
  limits.silent_seconds = 1;
  const Seen seen = see(
      [](ChildOutput& out) {
        out.write("a", 1);
        for (;;) ::pause();
      },
      limits);
  EXPECT_EQ(seen.bytes, "a");
  EXPECT_EQ(seen.ending, Ending::Silent);
}

TEST(ConfinedChild, AFileThatGrowsTooLargeEndsIt) {
  ChildLimits limits;
  limits.written_bytes = 1000;
  const auto work = [](ChildOutput&) {
    std::FILE* file = std::tmpfile();
    for (int i = 0; i < 10'000; ++i) std::fputc('x', file);
    std::fclose(file);
  };
  EXPECT_EQ(see(work, limits).ending, Ending::Oversized);
}

TEST(ConfinedChild, MemoryBeyondItsLimitIsRefused) {
  if (!ConfinedChild::limits_memory()) GTEST_SKIP() << "AddressSanitizer needs all address space";
  const auto work = [](ChildOutput& out) {
    for (const std::size_t size : {std::size_t{1} << 20, std::size_t{1} << 30}) {
      void* volatile memory = std::malloc(size);
      out.write(memory == nullptr ? "-" : "+", 1);
    }
  };
  ChildLimits limits;
  limits.memory_bytes = std::uint64_t{1} << 29;
  EXPECT_EQ(see(work, limits).bytes, "+-");
}

TEST(ConfinedChild, HasNoCoreNoInputAndNowhereToPrint) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const Seen seen = see([](ChildOutput& out) {
    std::puts("printed");
    std::fflush(stdout);
    std::fputs("complained", stderr);
    rlimit core{};
    ::getrlimit(RLIMIT_CORE, &core);
    if (core.rlim_max == 0 && std::getchar() == EOF) out.write("yes", 3);
  });
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(seen.bytes, "yes");
}

TEST(ConfinedChild, OneThatNobodyListensToIsGoneWithItsParentsInterest) {
  auto child = ConfinedChild::start(
      [](ChildOutput& out) {
        for (;;) out.write("x", 1);
      },
      {});
  ASSERT_TRUE(child);  // its destructor would wait for ever if it did not kill
}

}  // namespace
}  // namespace irqfab::recording
