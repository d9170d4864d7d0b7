// The code itself, run here with functions in place of the C library's.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <map>

#include "arch/x86_thread_block.h"

#ifdef __x86_64__

namespace suture {
namespace {

using To = ThreadBlockCode::To;

constexpr uint64_t kBlockBytes = kThreadBlockHeaderBytes + 24;
constexpr uint32_t kKey = 7;

// What the fake functions saw.
void *value_of_key;
unsigned keys, sets;
bool aligned;
void (*destructor)(void *);

// Functions are called with the stack aligned to 16 (psABI 3.2.2), and may leave anything in vector registers.
void note_call(void *frame) {
  aligned = aligned && reinterpret_cast<uintptr_t>(frame) % 16 == 0;
  asm volatile("pcmpeqd %%xmm5, %%xmm5\n\tpcmpeqd %%xmm0, %%xmm0" ::: "xmm0", "xmm5");
}
__attribute__((noinline)) void *get(uint32_t key) {
  note_call(__builtin_frame_address(0));
  EXPECT_EQ(key, kKey);
  return value_of_key;
}
__attribute__((noinline)) int set(uint32_t key, void *value) {
  note_call(__builtin_frame_address(0));
  EXPECT_EQ(key, kKey);
  ++sets;
  value_of_key = value;
  return 0;
}
__attribute__((noinline)) int create(uint32_t *key, void (*function)(void *)) {
  note_call(__builtin_frame_address(0));
  if (function != nullptr) destructor = function;
  ++keys;
  *key = kKey;
  return 0;
}
__attribute__((noinline)) int remove(uint32_t) {
  note_call(__builtin_frame_address(0));
  --keys;
  return 0;
}

class X86ThreadBlock : public testing::Test {
 protected:
  void SetUp() override {
    value_of_key = nullptr;
    keys = sets = 0;
    aligned = true;
    memory_ = static_cast<uint8_t *>(mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(memory_, MAP_FAILED);
    code_ = x86::thread_block_code();
    functions_[To::get_specific] = thunk(reinterpret_cast<void *>(get));
    functions_[To::set_specific] = thunk(reinterpret_cast<void *>(set));
    functions_[To::create_key] = thunk(reinterpret_cast<void *>(create));
    functions_[To::delete_key] = thunk(reinterpret_cast<void *>(remove));
    functions_[To::control] = take(kThreadControlBytes);
    uint8_t *content = take(8);
    std::memcpy(content, "initial", 8);
    put(functions_[To::control] + kThreadControlTemplateBytesAt, uint64_t{8});
    put(functions_[To::control] + kThreadControlBlockBytesAt, kBlockBytes);
    put(functions_[To::control] + kThreadControlTemplateAt, content);
    functions_[To::block] = place(code_.keeper);
  }
  void TearDown() override { munmap(memory_, kMemoryBytes); }

  uint8_t *place(const ThreadBlockCode::Part &part) {
    uint8_t *at = take(part.code.size());
    std::memcpy(at, part.code.data(), part.code.size());
    for (const ThreadBlockCode::Field &field : part.fields)
      put(at + field.at, static_cast<int32_t>(functions_.at(field.to) - (at + field.at) + field.addend));
    return at;
  }
  uint8_t *block() { return reinterpret_cast<uint8_t *(*)()>(functions_[To::block])(); }
  int hook(uint32_t at) { return reinterpret_cast<int (*)()>(functions_[To::block] + at)(); }

  ThreadBlockCode code_;
  std::map<To, uint8_t *> functions_;

 private:
  static constexpr size_t kMemoryBytes = 16384;
  uint8_t *take(size_t bytes) {
    uint8_t *at = memory_ + used_;
    used_ += (bytes + 63) / 64 * 64;
    return at;
  }
  template <typename Value>
  static void put(uint8_t *at, Value value) {
    std::memcpy(at, &value, sizeof value);
  }
  // jmp *0(%rip), and the address behind it
  uint8_t *thunk(void *function) {
    uint8_t *at = take(14);
    const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0};
    std::memcpy(at, jump, sizeof jump);
    put(at + sizeof jump, function);
    return at;
  }
  uint8_t *memory_ = nullptr;
  size_t used_ = 0;
};

TEST_F(X86ThreadBlock, MakesABlockOnceAndAsTheTemplateSays) {
  uint8_t *first = block();
  EXPECT_EQ(std::memcmp(first + kThreadBlockHeaderBytes, "initial\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24), 0);
  first[kThreadBlockHeaderBytes] = 'I';
  EXPECT_EQ(block(), first);
  EXPECT_EQ(first[kThreadBlockHeaderBytes], 'I');
  EXPECT_EQ(keys, 1U);
  EXPECT_EQ(sets, 1U);
  EXPECT_TRUE(aligned);
}

TEST_F(X86ThreadBlock, LeavesTheBlockToTheNextThreadAsNew) {
  uint8_t *first = block();
  first[kThreadBlockHeaderBytes] = first[kBlockBytes - 1] = 'x';
  for (int round = 0; round < 4; ++round) {  // as the C library does when a thread ends
    value_of_key = nullptr;
    destructor(first);
    EXPECT_EQ(value_of_key, round < 3 ? first : nullptr);
  }
  EXPECT_EQ(block(), first);
  EXPECT_EQ(first[kThreadBlockHeaderBytes], 'i');
  EXPECT_EQ(first[kBlockBytes - 1], 0);
  value_of_key = nullptr;  // another thread, while the first one lives
  EXPECT_NE(block(), first);
  EXPECT_TRUE(aligned);
}

TEST_F(X86ThreadBlock, MakesTheKeyBeforehandAndGivesItUp) {
  EXPECT_EQ(hook(code_.prepare_at), 0);
  EXPECT_EQ(hook(code_.prepare_at), 0);
  EXPECT_EQ(keys, 1U);
  uint8_t *first = block();
  EXPECT_EQ(keys, 1U);
  EXPECT_EQ(hook(code_.release_at), 0);
  EXPECT_EQ(keys, 0U);
  EXPECT_EQ(first[kThreadBlockHeaderBytes], 'i');  // still there
  EXPECT_TRUE(aligned);
}

TEST_F(X86ThreadBlock, FindsTheDistanceAndKeepsAllElse) {
  uint8_t *finder = place(code_.from_thread_pointer);
  uint64_t distance = 0, rcx = 0x1111, rdx = 0x2222, rsi = 0x3333, rdi = 0x4444, flags = 0, pointer = 0, vector = 0;
  asm volatile(
      "mov %%fs:0, %[pointer]\n\t"
      "movq %[rcx], %%xmm5\n\t"
      "lea -128(%%rsp), %%rsp\n\t"
      "stc\n\t"
      "call *%[finder]\n\t"
      "pushfq\n\t"
      "pop %[flags]\n\t"
      "lea 128(%%rsp), %%rsp\n\t"
      "movq %%xmm5, %[vector]\n\t"
      : "=&a"(distance), [flags] "=&r"(flags), [pointer] "=&r"(pointer), [vector] "=&r"(vector), [rcx] "+c"(rcx), "+d"(rdx), "+S"(rsi), "+D"(rdi)
      : [finder] "r"(finder)
      : "xmm5", "memory", "cc");
  EXPECT_EQ(distance + pointer, reinterpret_cast<uint64_t>(value_of_key));
  EXPECT_EQ(rcx, 0x1111U);
  EXPECT_EQ(rdx, 0x2222U);
  EXPECT_EQ(rsi, 0x3333U);
  EXPECT_EQ(rdi, 0x4444U);
  EXPECT_EQ(vector, 0x1111U);
  EXPECT_EQ(flags & 1, 1U);
  EXPECT_TRUE(aligned);
}

}  // namespace
}  // namespace suture

#endif
