// New thread-local variables. Threads that run have no room for them where the compiler thought them, so the patch keeps them in a
// block for each thread (arch: ThreadBlockCode) and every access is led there. All of a patch's variables share the block.
#include <algorithm>

#include "base/byte_writer.h"
#include "base/cat.h"
#include "diff/author_code.h"
#include "diff/bind_tls.h"

namespace suture {

namespace {

using To = ThreadBlockCode::To;

constexpr const char *kOwnBlock = "_TLS_MODULE_BASE_";  // TLS descriptors for x86 (Oliva), 3.4.3: what local-dynamic code asks for

PatchPiece data_piece(std::string name, uint64_t alignment, uint64_t size_bytes) {
  PatchPiece piece;
  piece.name = std::move(name);
  piece.kind = PatchPiece::Kind::data;
  piece.alignment = alignment;
  piece.bytes.resize(size_bytes);
  piece.size_bytes = size_bytes;
  return piece;
}

PatchPiece code_piece(std::string name, Bytes code) {
  PatchPiece piece;
  piece.name = std::move(name);
  piece.alignment = 16;
  piece.bytes = std::move(code);
  piece.size_bytes = piece.bytes.size();
  piece.is_function = true;
  return piece;
}

PatchEdge to_piece(uint64_t at, uint32_t piece, int64_t addend = -4) {
  return PatchEdge{at, 4, true, false, PatchEdge::To::piece, piece, 0, 0, addend};
}

}  // namespace

std::optional<Binder::ThreadVariable> Binder::new_thread_variable(const Reference &reference) const {
  const Program &post = in_.post->program();
  ThreadVariable variable{reference.place, reference.offset};
  if (reference.place.kind == Place::Kind::named) {
    if (reference.place.name == Program::kModuleTls) return std::nullopt;
    const auto defined = post.defined_at(post.name(reference.place.name));
    if (!defined) return std::nullopt;
    variable.place = defined->section;
    variable.offset += static_cast<int64_t>(defined->offset);
  }
  if (variable.place.kind != Place::Kind::section || !post.section(variable.place).is_thread_local() ||
      in_.comparison->of(variable.place.object, variable.place.section) != Change::added)
    return std::nullopt;
  return variable;
}

bool Binder::reaches_new_thread_variable(uint32_t object, uint32_t section, uint32_t edge) const {
  const EdgeKind kind = in_.post->program().object(object).sections[section].edges[edge].kind;
  if (!reaches_tls_by_code(kind) && kind != EdgeKind::tls_tp_off32 && kind != EdgeKind::tls_dtp_off32) return false;
  const Reference reference = in_.post->reference(object, section, edge);
  // The patch's block stands for the image's own where there is none.
  const bool own_block = reference.access == Access::tls_ld ||
                         (reference.place.kind == Place::Kind::named && reference.place.name != Program::kModuleTls &&
                          in_.post->program().name(reference.place.name) == kOwnBlock);
  if (own_block) return !in_.image->tls && !in_.image->has_first_tls_block();
  return new_thread_variable(reference).has_value();
}

Result<Binder::BoundTls> Binder::bind_in_thread_block(const TlsSite &site) {
  const Edge &edge = in_.post->program().object(site.object).sections[site.section].edges[site.edge];
  TRY(begin_thread_block());
  const auto variable = new_thread_variable(in_.post->reference(site.object, site.section, site.edge));
  const int64_t offset = variable ? TRY(offset_in_thread_block(*variable)) : 0;
  const bool counts_from_block = edge.kind == EdgeKind::tls_dtp_off32 && !in_.image->has_first_tls_block();
  if (!counts_from_block || in_.image->tls) return lead_to_thread_block(site, offset, counts_from_block);
  BoundTls bound;  // the call before it has returned the patch's block
  bound.end = edge.offset + 1;
  bound.edges = {{edge.offset, 4, false, true, PatchEdge::To::constant, 0, 0, 0, offset}};
  return bound;
}

// Puts what the architecture has for it in the instruction's place, and its stub beside the function.
Result<Binder::BoundTls> Binder::lead_to_thread_block(const TlsSite &site, int64_t offset, bool counts_from_own_block) {
  const Edge &edge = in_.post->program().object(site.object).sections[site.section].edges[site.edge];
  const std::string name = in_.post->program().describe(in_.post->reference(site.object, site.section, site.edge).place);
  const std::optional<CodeInstruction> insn = instruction_with(site.object, site.section, edge.offset);
  if (!insn) return Error::refused("its code cannot be decoded");
  const auto access = in_.post->arch().block_access(ByteView(site.contents).subspan(insn->at), static_cast<uint32_t>(edge.offset - insn->at), edge.kind, offset);
  const bool has_other_fields = insn->edge_count != 1;
  if (!access || (has_other_fields && (access->moved_end == 0 || site.edge != insn->first_edge)))
    return Error::refused(cat(name, " is new thread-local data, which the patch keeps by itself, and the instruction at byte ", insn->at,
                              " cannot be led there"))
        .with_next("write the access in another way (by a pointer to the variable, say), or keep the value elsewhere");
  std::copy(access->instead.begin(), access->instead.end(), site.contents.begin() + static_cast<ptrdiff_t>(insn->at));
  BoundTls bound;
  bound.end = std::max(edge.offset + 1, insn->at + access->instead.size());
  if (access->stub.empty()) return bound;

  PatchPiece stub = code_piece(cat(name, "@thread"), access->stub);
  stub.edges = {to_piece(access->call_field_at, access->finds_distance ? TRY(distance_finder(counts_from_own_block)) : thread_block_->keeper)};
  if (access->back_field_at != 0) {
    const uint32_t function = *piece_of({Place::Kind::section, site.object, site.section, 0, 0});
    stub.edges.push_back(to_piece(access->back_field_at, function, static_cast<int64_t>(insn->end()) - 4));
  }
  for (uint32_t e = site.edge + 1; has_other_fields && e < insn->first_edge + insn->edge_count; ++e) {
    PatchEdge further = TRY(bind_edge(site.object, site.section, e, {}));
    further.offset = access->moved_end - (insn->end() - further.offset);
    stub.edges.push_back(further);
  }
  bound.edges = {to_piece(insn->at + access->stub_field_at, add_piece(std::move(stub)))};
  return bound;
}

// Gives the variable its place in the block, and the block its initial value.
Result<int64_t> Binder::offset_in_thread_block(const ThreadVariable &variable) {
  if (in_.twins->ambiguous(variable.place.object, variable.place.section))
    return Error::refused(cat("whether ", in_.post->program().describe(variable.place), " is new, or which of several of the old code, cannot be told"));
  ThreadBlock &block = *thread_block_;
  const auto [known, inserted] = block.offsets.try_emplace(variable.place, 0);
  if (!inserted) return static_cast<int64_t>(known->second) + variable.offset;
  const ObjectSection &section = in_.post->program().section(variable.place);
  if (section.alignment > kThreadBlockAlignment)
    return Error::refused(cat(in_.post->program().describe(variable.place), " is new thread-local data with an alignment of ", section.alignment,
                              " bytes; what the patch keeps for each thread is aligned to ", kThreadBlockAlignment));
  const uint64_t at = (block.block_bytes + section.alignment - 1) / section.alignment * section.alignment;
  known->second = at;
  block.block_bytes = at + section.size_bytes;
  store<uint64_t>(out_.pieces[block.control].bytes, kThreadControlBlockBytesAt, block.block_bytes);
  if (!section.is_bss()) {
    const uint64_t from = at - kThreadBlockHeaderBytes;
    PatchPiece &content = out_.pieces[block.content];
    content.bytes.resize(from + section.size_bytes);
    content.size_bytes = content.bytes.size();
    std::copy(section.bytes.begin(), section.bytes.end(), content.bytes.begin() + static_cast<ptrdiff_t>(from));
    store<uint64_t>(out_.pieces[block.control].bytes, kThreadControlTemplateBytesAt, content.size_bytes);
    for (uint32_t e = 0; e < section.edges.size(); ++e) {
      PatchEdge edge = TRY_WHILE(bind_edge(variable.place.object, variable.place.section, e, {}),
                                 cat("binding ", in_.post->program().describe(variable.place)));
      edge.offset += from;
      out_.pieces[block.content].edges.push_back(edge);
    }
  }
  return static_cast<int64_t>(at) + variable.offset;
}

Status Binder::begin_thread_block() {
  if (thread_block_) return {};
  ThreadBlock &block = thread_block_.emplace();
  block.code = in_.post->arch().thread_block_code();
  block.content = add_piece(data_piece("suture_thread_values", kThreadBlockHeaderBytes, 0));
  PatchPiece control = data_piece("suture_thread_control", 8, kThreadControlBytes);
  control.edges = {{kThreadControlTemplateAt, 8, false, false, PatchEdge::To::piece, block.content, 0, 0, 0}};
  block.control = add_piece(std::move(control));
  block.keeper = add_piece(code_piece("suture_thread_block", block.code.keeper.code));
  out_.pieces[block.keeper].edges = TRY(thread_code_edges(block.code.keeper));
  return {};
}

Result<std::vector<PatchEdge>> Binder::thread_code_edges(const ThreadBlockCode::Part &part) {
  std::vector<PatchEdge> edges;
  for (const ThreadBlockCode::Field &field : part.fields) {
    PatchEdge edge = to_piece(field.at, 0, field.addend);
    const auto lead_to = [&](const Target &target) {
      edge.to = target.to;
      edge.piece = target.piece;
      edge.base = target.base;
      edge.import = target.import;
      edge.addend += target.offset;
    };
    switch (field.to) {
      case To::control: edge.piece = thread_block_->control; break;
      case To::block: edge.piece = thread_block_->keeper; break;
      case To::get_specific: lead_to(TRY(call_target("pthread_getspecific"))); break;
      case To::set_specific: lead_to(TRY(call_target("pthread_setspecific"))); break;
      case To::create_key: lead_to(TRY(call_target("pthread_key_create"))); break;
      case To::delete_key: lead_to(TRY(call_target("pthread_key_delete"))); break;
      case To::get_address: lead_to(TRY(call_target("__tls_get_addr"))); break;
      case To::own_pair: {
        const auto pair = any_tls_pair();
        if (!pair)
          return Error::refused("new thread-local data is reached beside the image's own, and the image has no slot for access to its own block "
                                "(local-dynamic or general-dynamic)");
        edge.to = PatchEdge::To::base;
        edge.base = pair->first;
        break;
      }
    }
    edges.push_back(edge);
  }
  return edges;
}

Result<uint32_t> Binder::distance_finder(bool from_own_block) {
  std::optional<uint32_t> &finder = from_own_block ? thread_block_->from_own_block : thread_block_->from_thread_pointer;
  if (finder) return *finder;
  const ThreadBlockCode::Part &part = from_own_block ? thread_block_->code.from_own_block : thread_block_->code.from_thread_pointer;
  PatchPiece piece = code_piece(from_own_block ? "suture_thread_from_own_block" : "suture_thread_from_pointer", part.code);
  piece.edges = TRY(thread_code_edges(part));
  finder = add_piece(std::move(piece));
  return *finder;
}

// A function of the C library, which the image may have in itself.
Result<Binder::Target> Binder::call_target(const std::string &name) {
  static const Edge call{0, EdgeKind::plt32, 0, -4, 0};
  Use use;
  use.edge = &call;
  use.is_call = true;
  if (const auto defined = in_.post->program().defined_at(name)) {
    Target target = TRY(resolve_section(defined->section, 0, Access::address, use));
    target.offset += static_cast<int64_t>(defined->offset);
    return target;
  }
  if (in_.image->executable && in_.image->needed.empty())
    return Error::refused(cat("new thread-local data is kept by ", name, ", which the image, linked statically, does not have"));
  return resolve_import(name, use, false);
}

void Binder::add_thread_block_hooks() {
  if (!thread_block_) return;
  PatchAuthorCode &author = out_.author;
  if (author.hooks.empty()) {
    author.hook_runner = add_piece(code_piece(kHookRunner, in_.post->arch().value_writer().runner));
    PatchPiece counts;
    counts.name = kHookCounts;
    counts.kind = PatchPiece::Kind::bss;
    counts.alignment = 8;
    counts.size_bytes = kHookKinds * kHookCountBytes;
    author.hook_counts = add_piece(std::move(counts));
  }
  author.hooks.insert(author.hooks.begin(), {Hook::Kind::pre_apply, "suture_thread_prepare", thread_block_->keeper, thread_block_->code.prepare_at});
  author.hooks.push_back({Hook::Kind::post_revert, "suture_thread_release", thread_block_->keeper, thread_block_->code.release_at});
}

}  // namespace suture
