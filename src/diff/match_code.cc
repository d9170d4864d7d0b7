#include "diff/match_code.h"

#include <algorithm>
#include <cstring>

#include "base/byte_writer.h"
#include "diff/program.h"

namespace suture {

namespace {

// Reads a little-endian field of 1, 4 or 8 bytes, sign-extended.
int64_t read_field(ByteView bytes, size_t at, unsigned size_bytes) {
  switch (size_bytes) {
    case 1: return load<int8_t>(bytes, at);
    case 4: return load<int32_t>(bytes, at);
    default: return load<int64_t>(bytes, at);
  }
}

bool is_direct_flow(const Instruction &insn) {
  return insn.flow == Instruction::Flow::jump || insn.flow == Instruction::Flow::branch;
}

// Of the places of all instructions those from which on the image's code lies by another distance.
void keep_shifts(std::vector<std::pair<uint64_t, uint64_t>> &offsets) {
  const auto distance = [](const std::pair<uint64_t, uint64_t> &entry) { return entry.second - entry.first; };
  offsets.erase(std::unique(offsets.begin(), offsets.end(), [&](const auto &a, const auto &b) { return distance(a) == distance(b); }), offsets.end());
  offsets.shrink_to_fit();
}

class Matcher {
 public:
  Matcher(const Arch &arch, const ObjectSection &pre, const Code &code, ByteView image, LinkAddr at)
      : arch_(arch), pre_(pre), code_(code), image_(image), at_(at) {}

  CodeMatch run() {
    if (!code_.complete) return std::move(match_);
    size_t i = 0;
    while (i < code_.instructions.size()) {
      const CodeInstruction &a = code_.instructions[i];
      if (same_bytes(a)) {
        take(a, a.insn.size_bytes);
        ++i;
        continue;
      }
      const auto b = arch_.decode(image_.subspan(std::min<size_t>(image_.size(), here_)));
      if (!b) return fail(a);
      if (a.insn.padding || b->padding) {
        if (take_other_tls_form(i)) continue;
        if (!skip_padding(i)) return fail(a);
        continue;
      }
      if (take_other_tls_form(i)) continue;
      if (!take_immediate(a)) {
        if (!same_operation(a, *b)) return fail(a);
        take_different(a, *b);
      }
      ++i;
    }
    if (!branches_agree()) return std::move(match_);
    match_.matches = true;
    match_.image_bytes = here_;
    if (match_.exact) match_.offsets.clear();
    keep_shifts(match_.offsets);
    match_.edges.shrink_to_fit();
    return std::move(match_);
  }

 private:
  CodeMatch fail(const CodeInstruction &a) {
    match_.mismatch_at = a.at;
    match_.image_mismatch_at = at_.value + here_;
    return std::move(match_);
  }

  // Equal bytes outside the fields that edges cover.
  bool same_bytes(const CodeInstruction &a) const {
    if (image_.size() < here_ + a.insn.size_bytes) return false;
    const auto equal = [&](uint64_t from, uint64_t to) {
      return std::memcmp(pre_.bytes.data() + from, image_.data() + here_ + (from - a.at), to - from) == 0;
    };
    uint64_t from = a.at;
    for (uint32_t e = a.first_edge; e < a.first_edge + a.edge_count; ++e) {
      const Edge &edge = pre_.edges[e];
      if (edge.offset > from && !equal(from, edge.offset)) return false;
      from = std::max(from, edge.offset + edge_bytes(edge.kind));
    }
    return from >= a.end() || equal(from, a.end());
  }

  void take(const CodeInstruction &a, uint64_t image_bytes) {
    for (uint32_t e = a.first_edge; e < a.first_edge + a.edge_count; ++e) {
      const Edge &edge = pre_.edges[e];
      if (edge_bytes(edge.kind) == 0) continue;
      const uint64_t field_at = here_ + (edge.offset - a.at);
      const uint64_t field = static_cast<uint64_t>(read_field(image_, field_at, edge_bytes(edge.kind)));
      uint64_t value = field - static_cast<uint64_t>(edge.addend);
      if (is_pc_relative(edge.kind)) value += at_.value + field_at;
      if (edge.kind == EdgeKind::abs32) value = (field & 0xffffffff) - static_cast<uint64_t>(edge.addend);
      match_.edges.push_back({e, value, SolvedEdge::As::written});
    }
    if (a.edge_count == 0 && a.insn.rel_bytes != 0 && !a.insn.rel_is_memory) note_branch(a, here_, a.insn);
    note_offset(a.at);
    match_.compared_bytes += a.insn.size_bytes - std::min<uint32_t>(a.insn.size_bytes, 4 * a.edge_count);
    here_ += image_bytes;
  }

  // A thread-local access that the linker knew a shorter way for. `i` moves behind the instructions of the sequence.
  bool take_other_tls_form(size_t &i) {
    const CodeInstruction &a = code_.instructions[i];
    if (a.edge_count == 0) return false;
    const uint32_t e = a.first_edge;
    const Edge &edge = pre_.edges[e];
    const int64_t addend = edge.addend + (is_pc_relative(edge.kind) ? int64_t{code_.edge_tail[e]} : 0);
    for (const TlsForm &form : arch_.tls_forms(ByteView(pre_.bytes).subspan(a.at), static_cast<uint32_t>(edge.offset - a.at), edge.kind)) {
      if (!image_has(form)) continue;
      const uint64_t field_at = here_ + form.field_at;
      const uint64_t field = static_cast<uint64_t>(read_field(image_, field_at, 4)) - static_cast<uint64_t>(addend);
      if (form.reach == TlsForm::Reach::offset) match_.edges.push_back({e, field, SolvedEdge::As::tls_offset});
      if (form.reach == TlsForm::Reach::slot) match_.edges.push_back({e, field + at_.value + field_at + 4, SolvedEdge::As::tls_slot});
      const uint64_t begin = a.at;
      for (; i < code_.instructions.size() && code_.instructions[i].at < begin + form.code.size(); ++i)
        match_.offsets.emplace_back(code_.instructions[i].at, at_.value + here_ + (code_.instructions[i].at - begin));
      match_.compared_bytes += static_cast<uint32_t>(form.code.size()) - 4;
      here_ += form.code.size();
      return true;
    }
    return false;
  }

  // A load through the GOT that the linker could do with an immediate.
  bool take_immediate(const CodeInstruction &a) {
    if (a.edge_count != 1 || pre_.edges[a.first_edge].kind != EdgeKind::got_pc32) return false;
    const Bytes form = arch_.make_immediate(ByteView(pre_.bytes).subspan(a.at, a.insn.size_bytes));
    if (form.empty() || image_.size() < here_ + form.size() || std::memcmp(form.data(), image_.data() + here_, form.size() - 4) != 0) return false;
    const int64_t tail = static_cast<int64_t>(a.end() - pre_.edges[a.first_edge].offset);
    const int64_t address = read_field(image_, here_ + form.size() - 4, 4);
    match_.edges.push_back({a.first_edge, static_cast<uint64_t>(address - pre_.edges[a.first_edge].addend - tail), SolvedEdge::As::absolute});
    match_.exact = false;
    note_offset(a.at);
    match_.compared_bytes += static_cast<uint32_t>(form.size()) - 4;
    here_ += form.size();
    return true;
  }

  // Equal outside of the field, if it has one.
  bool image_has(const TlsForm &form) const {
    if (image_.size() < here_ + form.code.size()) return false;
    const uint64_t gap = form.reach == TlsForm::Reach::nothing ? form.code.size() : form.field_at;
    for (uint64_t k = 0; k < form.code.size(); ++k)
      if ((k < gap || k >= gap + 4) && form.code[k] != image_[here_ + k]) return false;
    return true;
  }

  // Not the same bytes, but perhaps the same operation in another form.
  bool same_operation(const CodeInstruction &a, const Instruction &b) const {
    if (is_direct_flow(a.insn) && is_direct_flow(b) && a.insn.mnemonic == b.mnemonic && a.insn.flow == b.flow) return true;
    return a.edge_count == 1 && pre_.edges[a.first_edge].kind == EdgeKind::got_pc32 && relaxed_got(a, b);
  }

  // x86-64 psABI B.2: mov foo@GOTPCREL(%rip), %reg -> lea foo(%rip), %reg; call *foo@GOTPCREL(%rip) -> addr32 call foo;
  // jmp *foo@GOTPCREL(%rip) -> jmp foo; nop.
  bool relaxed_got(const CodeInstruction &a, const Instruction &b) const {
    if (a.insn.flow == Instruction::Flow::indirect_call) return b.flow == Instruction::Flow::call;
    if (a.insn.flow == Instruction::Flow::indirect) return b.flow == Instruction::Flow::jump;
    if (b.size_bytes != a.insn.size_bytes || !b.rel_is_memory || b.rel_offset != a.insn.rel_offset) return false;
    const ByteView pre = ByteView(pre_.bytes).subspan(a.at, a.insn.size_bytes);
    Bytes direct(pre.begin(), pre.end());
    return arch_.make_direct(direct) && std::memcmp(direct.data(), image_.data() + here_, a.insn.rel_offset) == 0;
  }

  void take_different(const CodeInstruction &a, const Instruction &b) {
    match_.exact = false;
    const uint64_t target = at_.value + here_ + b.size_bytes + static_cast<uint64_t>(b.rel_value);
    if (a.edge_count == 1) {
      const Edge &edge = pre_.edges[a.first_edge];
      // The instruction's own target is S + A + tail; the field form does not matter.
      const uint64_t tail = a.end() - edge.offset;
      match_.edges.push_back({a.first_edge, target - static_cast<uint64_t>(edge.addend) - tail, edge.kind == EdgeKind::got_pc32 ? SolvedEdge::As::direct : SolvedEdge::As::written});
    } else {
      note_branch(a, here_, b);
    }
    note_offset(a.at);
    match_.compared_bytes += 1;
    here_ += b.size_bytes;
    // `jmp *foo@GOTPCREL(%rip)` relaxed is a byte shorter and followed by a nop, which the padding rule skips.
  }

  // Both sides may have padding of different length here; `i` moves past ours.
  bool skip_padding(size_t &i) {
    bool moved = false;
    while (i < code_.instructions.size() && code_.instructions[i].insn.padding && code_.instructions[i].edge_count == 0) {
      note_offset(code_.instructions[i].at);
      ++i;
      moved = true;
    }
    for (;;) {
      const auto b = arch_.decode(image_.subspan(std::min<size_t>(image_.size(), here_)));
      if (!b || !b->padding || i >= code_.instructions.size()) break;
      here_ += b->size_bytes;
      moved = true;
    }
    match_.exact = false;
    return moved;
  }

  void note_offset(uint64_t pre_at) { match_.offsets.emplace_back(pre_at, at_.value + here_); }
  void note_branch(const CodeInstruction &a, uint64_t image_here, const Instruction &b) {
    branches_.emplace_back(a.end() + static_cast<uint64_t>(a.insn.rel_value),
                           at_.value + image_here + b.size_bytes + static_cast<uint64_t>(b_value(b, image_here)));
  }
  int64_t b_value(const Instruction &b, uint64_t image_here) const {
    return read_field(image_, image_here + b.rel_offset, b.rel_bytes);
  }

  // Every branch inside the function must go to the corresponding instruction. Behind padding the offset noted is the
  // padding's own, so a target that follows padding is looked up among instructions only.
  bool branches_agree() {
    for (const auto &[pre_target, image_target] : branches_) {
      const auto it = std::lower_bound(match_.offsets.begin(), match_.offsets.end(), std::pair{pre_target, uint64_t{0}});
      const bool known = it != match_.offsets.end() && it->first == pre_target;
      const uint64_t expected = known ? it->second : at_.value + here_;
      const bool at_end = !known && pre_target == pre_.size_bytes;
      if ((known || at_end) && expected == image_target) continue;
      match_.mismatch_at = pre_target;
      match_.image_mismatch_at = image_target;
      return false;
    }
    return true;
  }

  const Arch &arch_;
  const ObjectSection &pre_;
  const Code &code_;
  ByteView image_;
  LinkAddr at_;
  uint64_t here_ = 0;  // offset in image_
  std::vector<std::pair<uint64_t, uint64_t>> branches_;  // (target in pre, target in the image)
  CodeMatch match_;
};

}  // namespace

CodeMatch match_code(const Arch &arch, const ObjectSection &pre, const Code &code, ByteView image_code, LinkAddr at) {
  return Matcher(arch, pre, code, image_code, at).run();
}

bool may_match(const Arch &arch, const ObjectSection &pre, ByteView image_code) {
  uint64_t limit = std::min<uint64_t>(12, std::min<uint64_t>(pre.bytes.size(), image_code.size()));
  if (!pre.edges.empty()) limit = std::min(limit, pre.edges.front().offset >= 3 ? pre.edges.front().offset - 3 : 0);
  // A branch within the first bytes may be long on one side and short on the other: stop before the first opcode that
  // could be one.
  for (uint64_t i = 0; i < limit; ++i) {
    if (pre.bytes[i] == image_code[i]) continue;
    for (uint64_t k = i >= 5 ? i - 5 : 0; k <= i; ++k)
      if (arch.may_begin_branch(ByteView(pre.bytes).subspan(k)) || arch.may_begin_branch(image_code.subspan(k))) return true;
    return false;
  }
  return true;
}

LinkAddr image_address(const CodeMatch &match, LinkAddr at, uint64_t pre_offset) {
  if (match.exact) return at + pre_offset;
  const auto it = std::upper_bound(match.offsets.begin(), match.offsets.end(), std::pair{pre_offset, UINT64_MAX});
  if (it == match.offsets.begin()) return at + pre_offset;
  const auto &[pre_at, image_at] = *std::prev(it);
  return LinkAddr(image_at + (pre_offset - pre_at));
}

}  // namespace suture
