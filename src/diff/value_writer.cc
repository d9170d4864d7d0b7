#include "diff/value_writer.h"

#include <algorithm>
#include <map>

#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/demangle.h"
#include "diff/author_code.h"

namespace suture {

namespace {

using Kind = ObjectSection::Kind;

constexpr uint64_t kWordBytes = 8;
constexpr uint64_t kCountsBytes = kHookKinds * kHookCountBytes;

Error cannot_write(const std::string &name, const std::string &why) {
  return Error::refused(cat("the new initial value of ", name, " cannot be written into a running program: ", why))
      .with_next(cat("--data ", name,
                     "=keep leaves the running value; a hook (suture/patch.h) or a replaced function can set another"));
}

Bytes section_contents(const ObjectSection &section) {
  Bytes bytes = section.bytes;
  bytes.resize(section.size_bytes);
  return bytes;
}

// Whole words, so that a value is not taken for the old one for a byte of it. What edges cover holds addresses and is
// left.
Bytes changed_words(const Bytes &old_bytes, const Bytes &new_bytes, const std::vector<Edge> &edges) {
  Bytes mask(old_bytes.size());
  for (uint64_t word = 0; word < mask.size(); word += kWordBytes) {
    const auto from = static_cast<ptrdiff_t>(word);
    const auto to = static_cast<ptrdiff_t>(std::min<uint64_t>(word + kWordBytes, mask.size()));
    if (!std::equal(old_bytes.begin() + from, old_bytes.begin() + to, new_bytes.begin() + from))
      std::fill(mask.begin() + from, mask.begin() + to, uint8_t{0xff});
  }
  for (const Edge &edge : edges)
    for (uint64_t at = edge.offset; at < std::min<uint64_t>(edge.offset + edge_bytes(edge.kind), mask.size()); ++at)
      mask[at] = 0;
  return mask;
}

// What edges cover stays what it is: addresses of the same things.
bool same_addresses(const DiffInput &input, const ValueWrite &write) {
  const auto &old_edges = input.pre->program().section(write.pre).edges;
  const auto &new_edges = input.post->program().section(write.post).edges;
  if (old_edges.size() != new_edges.size()) return false;
  for (uint32_t e = 0; e < new_edges.size(); ++e) {
    const Reference a = input.pre->reference(write.pre.object, write.pre.section, e);
    const Reference b = input.post->reference(write.post.object, write.post.section, e);
    if (old_edges[e].offset != new_edges[e].offset || old_edges[e].kind != new_edges[e].kind || a.offset != b.offset ||
        a.place.kind != b.place.kind)
      return false;
    if (a.place.kind == Place::Kind::item) {
      const ByteView old_item = input.pre->item(a.place);
      const ByteView new_item = input.post->item(b.place);
      if (!std::equal(old_item.begin(), old_item.end(), new_item.begin(), new_item.end())) return false;
    } else if (Comparison::pre_place(input.pre->program(), input.post->program(), *input.twins, b.place) != a.place) {
      return false;
    }
  }
  return true;
}

Result<ValueWrite> plan_write(const DiffInput &input, const Difference &difference) {
  const Program &pre = input.pre->program();
  const Program &post = input.post->program();
  ValueWrite write{
      difference.name, {}, {Place::Kind::section, difference.object, difference.section, 0, 0}, {}, {}, {}};
  const auto before = Comparison::pre_place(pre, post, *input.twins, write.post);
  if (!before || before->kind != Place::Kind::section)
    return cannot_write(write.name, "which variable it was before is not certain");
  write.pre = *before;
  const ObjectSection &old_section = pre.section(write.pre);
  const ObjectSection &new_section = post.section(write.post);
  if (old_section.size_bytes != new_section.size_bytes) return cannot_write(write.name, cat("its ", difference.reason));
  if (old_section.kind == Kind::bss)
    return cannot_write(write.name,
                        "it was zero, and of such variables the file holds nothing that a coldpatch could change");
  if (!input.image->executable && input.image->exports(write.name))
    return cannot_write(write.name, "the library exports it, so that the one in use may be the program's copy");
  write.old_bytes = section_contents(old_section);
  write.new_bytes = section_contents(new_section);
  write.mask = changed_words(write.old_bytes, write.new_bytes, new_section.edges);
  if (!same_addresses(input, write))
    return cannot_write(write.name, cat("what changes in it is an address (", difference.reason, ")"));
  return write;
}

// Adds sections and symbols behind those that are there, so that nothing that exists is renumbered.
class WriterMaker {
 public:
  WriterMaker(ObjectGraph &object, ValueWriterCode code) : object_(object), code_(std::move(code)) {}

  void add(const std::vector<const ValueWrite *> &writes) {
    const uint32_t bytes = add_section(".rodata.suture_values", Kind::rodata, {});
    const uint32_t bytes_symbol = add_symbol({"suture_value_bytes", bytes, 0, 0, ObjectSymbol::Kind::data});
    const uint32_t table =
        add_section(".data.suture_value_table", Kind::data, Bytes((writes.size() + 1) * kValueEntryBytes));
    const uint32_t table_symbol = add_symbol({"suture_value_table", table, 0, 0, ObjectSymbol::Kind::data});
    for (size_t i = 0; i < writes.size(); ++i) add_entry(*writes[i], i * kValueEntryBytes, table, bytes, bytes_symbol);
    object_.sections[bytes].size_bytes = object_.sections[bytes].bytes.size();
    add_code(table_symbol);
    add_runner();
  }

 private:
  uint32_t add_section(std::string name, Kind kind, Bytes bytes) {
    ObjectSection &section = object_.sections.emplace_back();
    section.name = std::move(name);
    section.kind = kind;
    section.alignment = kind == Kind::code ? 16 : kWordBytes;
    section.size_bytes = bytes.size();
    section.bytes = std::move(bytes);
    return static_cast<uint32_t>(object_.sections.size() - 1);
  }
  uint32_t add_symbol(ObjectSymbol symbol) {
    if (symbol.in_section()) symbol.size_bytes = object_.sections[symbol.section].size_bytes;
    object_.symbols.push_back(std::move(symbol));
    return static_cast<uint32_t>(object_.symbols.size() - 1);
  }

  uint32_t symbol_of(uint32_t section) {
    for (uint32_t s = 1; s < object_.symbols.size(); ++s)
      if (object_.symbols[s].section == section && object_.symbols[s].value == 0 && object_.symbols[s].local())
        return s;
    ObjectSymbol symbol;
    symbol.section = section;
    symbol.kind = ObjectSymbol::Kind::section;
    return add_symbol(std::move(symbol));
  }

  void add_entry(const ValueWrite &write, uint64_t at, uint32_t table, uint32_t bytes, uint32_t bytes_symbol) {
    const auto point = [&](uint64_t offset, uint32_t symbol, uint64_t addend) {
      object_.sections[table].edges.push_back({at + offset, EdgeKind::abs64, symbol, static_cast<int64_t>(addend), 0});
    };
    const uint32_t variable = symbol_of(write.post.section);
    point(0, variable, 0);
    store(std::span<uint8_t>(object_.sections[table].bytes), at + kWordBytes, uint64_t{write.old_bytes.size()});
    uint64_t field = 2 * kWordBytes;
    for (const Bytes *part : {&write.old_bytes, &write.new_bytes, &write.mask}) {
      Bytes &pool = object_.sections[bytes].bytes;
      point(field, bytes_symbol, pool.size());
      pool.insert(pool.end(), part->begin(), part->end());
      field += kWordBytes;
    }
  }

  void add_code(uint32_t table_symbol) {
    const uint32_t section = add_section(".text.suture_write_values", Kind::code, std::move(code_.code));
    object_.sections[section].edges.push_back({code_.table_field_at, EdgeKind::pc32, table_symbol, -4, 0});
    const uint32_t write = add_symbol({"suture_write_values", section, 0, 0, ObjectSymbol::Kind::function});
    const uint32_t put_back =
        add_symbol({"suture_put_back_values", section, code_.put_back_at, 0, ObjectSymbol::Kind::function});
    // Old code never meets a new value: it is written when the new code is in effect, and put back before the old one
    // is. What was written though the patch was given up after all (another hook refused it) is put back after.
    declare(Hook::Kind::post_apply, write);
    declare(Hook::Kind::pre_revert, put_back);
    declare(Hook::Kind::post_revert, put_back);
  }

  void declare(Hook::Kind kind, uint32_t function) {
    std::string name = cat(".suture.hooks.", name_of(kind));
    std::replace(name.begin(), name.end(), '-', '_');
    const uint32_t section = add_section(std::move(name), Kind::data, Bytes(kWordBytes));
    object_.sections[section].edges.push_back({0, EdgeKind::abs64, function, 0, 0});
  }

  // What suture/patch.h defines too: one of the two is kept.
  void add_runner() {
    const auto share = [&](const char *name, uint32_t section, ObjectSymbol::Kind kind) {
      add_symbol({name, section, 0, 0, kind, ObjectSymbol::Binding::weak, ObjectSymbol::Visibility::hidden});
    };
    share(kHookRunner, add_section(cat(".text.", kHookRunner), Kind::code, std::move(code_.runner)),
          ObjectSymbol::Kind::function);
    const uint32_t counts = add_section(cat(".bss.", kHookCounts), Kind::bss, {});
    object_.sections[counts].size_bytes = kCountsBytes;
    share(kHookCounts, counts, ObjectSymbol::Kind::data);
  }

  ObjectGraph &object_;
  ValueWriterCode code_;
};

std::optional<LinkAddr> address_in(const DiffInput &input, const ValueWrite &write) {
  const SolvedValue *value = input.solution->value(write.pre, Access::address);
  if (value != nullptr && !value->conflict) return LinkAddr(value->value);
  for (const ImageSymbol &symbol : input.image->dynamic_symbols)
    if (symbol.defined && symbol.name == write.name) return symbol.address;
  return std::nullopt;
}

}  // namespace

Result<std::vector<ValueWrite>> plan_value_writes(const DiffInput &input, const std::set<std::string> &names) {
  std::vector<ValueWrite> writes;
  for (const Difference &difference : input.comparison->differences()) {
    const bool meant = std::any_of(names.begin(), names.end(), [&](const std::string &given) { return names_it(given, difference.name); });
    if (!meant || difference.change != Change::changed) continue;
    const Kind kind = input.post->program().object(difference.object).sections[difference.section].kind;
    if (kind == Kind::rodata || kind == Kind::relro) return cannot_write(difference.name, "it is read-only");
    if (kind == Kind::data || kind == Kind::bss) writes.push_back(TRY(plan_write(input, difference)));
  }
  return writes;
}

void add_value_writers(const std::vector<ValueWrite> &writes, const Arch &arch,
                       std::vector<std::shared_ptr<const ObjectGraph>> &post_objects) {
  std::map<uint32_t, std::vector<const ValueWrite *>> by_object;
  for (const ValueWrite &write : writes) by_object[write.post.object].push_back(&write);
  for (const auto &[object, own] : by_object) {
    auto changed = std::make_shared<ObjectGraph>(*post_objects[object]);
    WriterMaker(*changed, arch.value_writer()).add(own);
    post_objects[object] = std::move(changed);
  }
}

Result<std::vector<InitialValue>> initial_values(const DiffInput &input, const std::vector<ValueWrite> &writes) {
  std::vector<InitialValue> values;
  for (const ValueWrite &write : writes) {
    const auto at = address_in(input, write);
    if (!at) return cannot_write(write.name, "no located code tells where it is");
    values.push_back({write.name, *at, write.old_bytes, write.new_bytes, write.mask});
  }
  return values;
}

}  // namespace suture
