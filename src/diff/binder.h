// Chooses the pieces that a patch must carry and binds every reference they make: to another piece, to an address of the
// base image that run-pre matching found, to a GOT slot or PLT stub that the base has for an import, or to a new import.
// Existing data is always the base's, never a copy.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "diff/base_items.h"
#include "diff/make_patch.h"

namespace suture {

class Binder {
 public:
  explicit Binder(const DiffInput &input);

  // The function at `post` replaces the one at `old_entry`: calls from the patch go to the new one, but its address as a
  // value stays the old entry, which is what the running program compares with.
  void replace(const Place &post, LinkAddr old_entry);
  // Carries a function or variable that nothing need refer to.
  void bring(const Place &post) { (void)carry(post); }
  // Binds until nothing new is needed.
  Status bind_all();
  // Unwind entries of all carried code.
  Status add_unwind();
  void add_redirect(PatchRedirect redirect) { out_.redirects.push_back(std::move(redirect)); }
  void set_author_code(PatchAuthorCode author) { out_.author = std::move(author); }
  // What keeps new thread-local variables has hooks of its own; after those of the author are set.
  void add_thread_block_hooks();
  void add_validation(Validation validation) { out_.validations.push_back(std::move(validation)); }
  std::optional<uint32_t> piece_of(const Place &post) const;
  std::vector<Place> carried_functions() const;
  PatchObject take() && { return std::move(out_); }

 private:
  struct Target {
    PatchEdge::To to = PatchEdge::To::base;
    uint32_t piece = 0;
    uint64_t base = 0;
    uint32_t import = 0;
    int64_t offset = 0;  // to add to the reference's own
    bool direct = false; // not a slot, although the reference asks for one: the instruction must be made direct
  };
  struct Use {
    const Edge *edge = nullptr;
    bool is_call = false;      // a direct call or jump rather than an address taken
    bool may_be_direct = false;  // the instruction that loads from a slot can be turned into one that needs none
    bool wants_slot() const;     // the field must reach an 8-byte slot that holds the address
  };

  Status bind_piece(uint32_t piece);
  // A thread-local access in code, which may need other code (bind_tls.cc): its edges, and the offset behind what it covers.
  struct BoundTls {
    std::vector<PatchEdge> edges;
    uint64_t end = 0;
  };
  struct FarSite {
    uint32_t piece = 0;
    uint32_t object = 0;
    uint32_t section = 0;
    uint32_t edge = 0;
    std::span<uint8_t> contents;
    std::string name;
  };
  std::optional<CodeInstruction> instruction_with(uint32_t object, uint32_t section, uint64_t offset) const;
  std::optional<std::string> far_name(uint32_t object, uint32_t section, uint32_t index) const;
  Result<std::vector<PatchEdge>> bind_far(const FarSite &site);
  bool is_weak_everywhere(const std::string &name) const;
  struct TlsSite;
  Result<BoundTls> bind_tls(const TlsSite &site);
  Result<BoundTls> as_written(const TlsSite &site, const Target &target);
  Result<BoundTls> in_other_form(const TlsSite &site, TlsForm::Reach reach, const Target &target);
  Result<BoundTls> through_stub(const TlsSite &site);
  std::optional<Target> tls_slot(const Place &place, Access access) const;
  std::optional<Target> tls_block_offset(const Reference &reference) const;
  std::optional<std::pair<uint64_t, uint64_t>> any_tls_pair() const;
  // New thread-local variables (bind_thread_block.cc).
  struct ThreadBlock {
    ThreadBlockCode code;
    uint32_t control = 0;  // pieces
    uint32_t content = 0;
    uint32_t keeper = 0;
    std::optional<uint32_t> from_thread_pointer;
    std::optional<uint32_t> from_own_block;
    uint64_t block_bytes = kThreadBlockHeaderBytes;
    std::map<Place, uint64_t> offsets;
  };
  struct ThreadVariable {
    Place place;
    int64_t offset = 0;  // in it
  };
  std::optional<ThreadVariable> new_thread_variable(const Reference &reference) const;
  bool reaches_new_thread_variable(uint32_t object, uint32_t section, uint32_t edge) const;
  Result<BoundTls> bind_in_thread_block(const TlsSite &site);
  Result<BoundTls> lead_to_thread_block(const TlsSite &site, int64_t offset, bool counts_from_own_block);
  Result<int64_t> offset_in_thread_block(const ThreadVariable &variable);
  Status begin_thread_block();
  Result<std::vector<PatchEdge>> thread_code_edges(const ThreadBlockCode::Part &part);
  Result<uint32_t> distance_finder(bool from_own_block);
  Result<Target> call_target(const std::string &name);
  // `contents`: the piece's bytes, where an instruction may have to be changed; empty for unwind entries.
  Result<PatchEdge> bind_edge(uint32_t object, uint32_t section, uint32_t edge, std::span<uint8_t> contents);
  Result<PatchEdge> bind_to(const Reference &reference, const Use &use, uint32_t tail, std::span<uint8_t> instruction);
  // What an unwind entry's personality routine is needed for is being called, so that a stub that leads there will do.
  Result<PatchEdge> bind_personality(uint32_t object, uint32_t section, uint32_t edge);
  Result<Target> resolve(const Reference &reference, const Use &use);
  Result<Target> resolve_item(const Place &place);
  Result<Target> resolve_section(const Place &place, int64_t offset, Access access, const Use &use);
  Result<Target> resolve_named(const Reference &reference, const Use &use);
  Result<Target> resolve_ifunc(const Reference &reference, const Program::Definition &definition, const Use &use);
  Result<Target> resolve_defined(const std::string &name, Place place, int64_t symbol_value, const Reference &reference, const Use &use);
  std::optional<Target> module_handle(const Place &place);
  Result<Target> resolve_import(const std::string &name, const Use &use, bool weak);
  std::optional<Target> base_value(const Place &post_place, Access access) const;
  bool stays_in_base(const Place &place) const;
  bool may_be_copied(const Place &place) const;

  uint32_t carry(const Place &place);
  uint32_t add_piece(PatchPiece piece);
  Target slot_for(const std::string &key, const PatchEdge &content);
  Target stub_through(const std::string &name, const Target &slot);
  uint32_t import_index(const std::string &name, bool weak);
  bool is_preemptible_data(const std::string &name, const Place &place) const;
  std::optional<uint64_t> base_slot(const std::string &name, bool must_be_bound) const;
  std::optional<uint64_t> base_stub(const std::string &name) const;
  Status add_unwind_of(uint32_t object);
  Result<std::vector<PatchEdge>> entry_edges(uint32_t object, uint32_t section, uint64_t begin, uint64_t end);

  const DiffInput &in_;
  PatchObject out_;
  std::map<Place, uint32_t> pieces_;
  std::map<Place, LinkAddr> replaced_;
  BaseItems base_items_;
  std::map<Bytes, uint32_t> item_pieces_;          // merged strings and constants that come along, by content
  std::map<std::string, uint32_t> slots_;
  std::map<std::string, uint32_t> stubs_;
  std::map<uint32_t, std::pair<Place, bool>> sources_;  // piece -> where it comes from; true for an item
  std::deque<uint32_t> queue_;
  std::optional<ThreadBlock> thread_block_;
  std::multimap<std::string, const DynamicReloc *> relocs_by_name_;
  std::map<uint64_t, uint64_t> stub_of_slot_;
};

}  // namespace suture
