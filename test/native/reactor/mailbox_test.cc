#include "reactor/mailbox.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ballast {
namespace {

struct Numbered : Message {
  Numbered()
      : Message([](Message& message) {
          auto& self = static_cast<Numbered&>(message);
          self.seen->push_back(self.number);
        }) {}
  int number = 0;
  std::vector<int>* seen = nullptr;
};

TEST(Mailbox, an_empty_one_runs_nothing) {
  Mailbox mailbox;
  EXPECT_TRUE(mailbox.empty());
  EXPECT_EQ(mailbox.run(10), 0u);
}

TEST(Mailbox, only_the_push_into_an_empty_one_asks_for_a_wake) {
  Mailbox mailbox;
  std::vector<int> seen;
  Numbered messages[3];
  for (Numbered& message : messages) message.seen = &seen;
  EXPECT_TRUE(mailbox.push(messages[0]));
  EXPECT_FALSE(mailbox.push(messages[1]));
  EXPECT_EQ(mailbox.run(10), 2u);
  EXPECT_TRUE(mailbox.push(messages[2]));
  EXPECT_EQ(mailbox.run(10), 1u);
}

TEST(Mailbox, runs_in_the_order_of_sending_and_not_more_than_asked) {
  Mailbox mailbox;
  std::vector<int> seen;
  Numbered messages[5];
  for (int i = 0; i < 5; ++i) {
    messages[i].number = i;
    messages[i].seen = &seen;
    if (i < 4) mailbox.push(messages[i]);
  }
  EXPECT_EQ(mailbox.run(2), 2u);
  EXPECT_FALSE(mailbox.empty());
  mailbox.push(messages[4]);
  EXPECT_EQ(mailbox.run(10), 3u);
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(mailbox.empty());
}

TEST(Mailbox, a_message_may_destroy_itself_and_send_another) {
  static Mailbox mailbox;
  static int ran = 0;
  struct Chained : Message {
    explicit Chained(int left_after)
        : Message([](Message& message) {
            auto* self = static_cast<Chained*>(&message);
            ++ran;
            if (self->left > 0) mailbox.push(*new Chained(self->left - 1));
            delete self;
          }),
          left(left_after) {}
    int left;
  };
  mailbox.push(*new Chained(9));
  while (!mailbox.empty()) mailbox.run(3);
  EXPECT_EQ(ran, 10);
}

TEST(Mailbox, keeps_every_message_of_many_threads_in_the_order_of_each) {
  constexpr int k_threads_count = 8;
  constexpr int k_messages_count = 20'000;
  struct FromThread : Message {
    FromThread()
        : Message([](Message& message) {
            auto& self = static_cast<FromThread&>(message);
            if (*self.expected == self.number) ++*self.expected;
          }) {}
    int number = 0;
    int* expected = nullptr;  // the receiver's: the next number of this sender
  };
  Mailbox mailbox;
  int expected[k_threads_count] = {};
  std::vector<std::vector<FromThread>> messages(k_threads_count);
  std::vector<std::thread> threads;
  for (int t = 0; t < k_threads_count; ++t) {
    messages[t] = std::vector<FromThread>(k_messages_count);
    for (int i = 0; i < k_messages_count; ++i) {
      messages[t][i].number = i;
      messages[t][i].expected = &expected[t];
    }
    threads.emplace_back([&mailbox, &mine = messages[t]] {
      for (FromThread& message : mine) mailbox.push(message);
    });
  }
  uint32_t ran = 0;
  while (ran < uint32_t{k_threads_count * k_messages_count}) ran += mailbox.run(100);
  for (std::thread& thread : threads) thread.join();
  for (const int count : expected) EXPECT_EQ(count, k_messages_count);
  EXPECT_TRUE(mailbox.empty());
}

}  // namespace
}  // namespace ballast
