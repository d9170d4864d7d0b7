#include "build/type_graph.h"

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/file.h"
#include "build/list_type_graph.h"
#include "package/contained.h"

namespace suture {

namespace {

constexpr uint64_t kMaxGraphBytes = uint64_t{256} << 20;
constexpr uint64_t kMaxGraphedObject = uint64_t{1} << 30;

// The form of one object's graph in the pipe: records, each with its kind in front.
enum class GraphRecord : uint8_t { unread = 1, type, variable, function, callee, end };
constexpr uint8_t kUntyped = 1;
constexpr uint8_t kRaw = 2;

void put_text(ByteWriter &out, std::string_view text) {
  out.c_string(text.substr(0, text.find('\0')));
}

void put_mentions(ByteWriter &out, const TypeMentions &mentions) {
  out.u8(static_cast<uint8_t>((mentions.untyped ? kUntyped : 0) | (mentions.raw ? kRaw : 0)));
  for (const auto *names : {&mentions.values, &mentions.pointers}) {
    out.uleb(names->size());
    for (const std::string &name : *names) put_text(out, name);
  }
}

Bytes encode_graph(const TypeGraph &graph) {
  ByteWriter out;
  const auto begin = [&](GraphRecord kind, std::string_view name) {
    out.u8(static_cast<uint8_t>(kind));
    put_text(out, name);
  };
  for (const auto &[name, node] : graph.types) {
    begin(GraphRecord::type, name);
    out.uleb(node.size_bytes);
    put_mentions(out, node.members);
  }
  for (const VariableNode &node : graph.variables) {
    begin(GraphRecord::variable, node.name);
    put_mentions(out, node.type);
  }
  for (const FunctionNode &node : graph.functions) {
    begin(GraphRecord::function, node.name);
    for (const TypeMentions *mentions : {&node.parameters, &node.locals, &node.result}) put_mentions(out, *mentions);
  }
  for (const auto &[name, node] : graph.callees) {
    begin(GraphRecord::callee, name);
    out.u8(node.gives_pointer ? 1 : 0);
  }
  for (const std::string &reason : graph.unread) begin(GraphRecord::unread, reason);
  begin(GraphRecord::end, "");
  return std::move(out).take();
}

TypeMentions take_mentions(ByteReader &in) {
  TypeMentions mentions;
  const uint8_t flags = in.u8();
  mentions.untyped = (flags & kUntyped) != 0;
  mentions.raw = (flags & kRaw) != 0;
  for (auto *names : {&mentions.values, &mentions.pointers})
    for (uint64_t count = in.uleb(); count > 0 && in.ok(); --count) names->insert(std::string(in.c_string()));
  return mentions;
}

// One name may stand for types of several objects: what any of them holds counts.
void merge_mentions(TypeMentions &into, TypeMentions from) {
  into.values.merge(from.values);
  into.pointers.merge(from.pointers);
  into.untyped |= from.untyped;
  into.raw |= from.raw;
}

Status add_decoded(ByteView bytes, uint32_t object, const std::string &object_name, TypeGraph &graph) {
  ByteReader in(bytes);
  while (in.ok()) {
    const GraphRecord kind = static_cast<GraphRecord>(in.u8());
    std::string name(in.c_string());
    switch (kind) {
      case GraphRecord::type: {
        TypeNode &node = graph.types[name];
        node.size_bytes = in.uleb();
        node.objects.insert(object);
        merge_mentions(node.members, take_mentions(in));
        break;
      }
      case GraphRecord::variable:
        graph.variables.push_back({std::move(name), object, take_mentions(in)});
        break;
      case GraphRecord::function: {
        FunctionNode node;
        node.name = std::move(name);
        node.object = object;
        for (TypeMentions *mentions : {&node.parameters, &node.locals, &node.result}) *mentions = take_mentions(in);
        graph.functions.push_back(std::move(node));
        break;
      }
      case GraphRecord::callee:
        graph.callees[name].gives_pointer |= in.u8() != 0;
        break;
      case GraphRecord::unread:
        graph.unread.push_back(cat(object_name, " (", name, ")"));
        break;
      case GraphRecord::end:
        if (in.ok() && in.at_end()) return {};
        return Error::corrupt("its list of types is malformed");
      default:
        return Error::corrupt("its list of types is malformed");
    }
  }
  return Error::corrupt("its list of types is cut short");
}

Result<TypeGraph> graph_of(Bytes &bytes) {
  const dwarf::Object object = TRY(dwarf::Object::open(bytes));
  if (object.units().empty()) return Error::refused("no debugging information");
  return dwarf::list_type_graph(object);
}

// In the contained process: errors are part of the answer.
Bytes graph_answer(Bytes &bytes) {
  auto graph = graph_of(bytes);
  if (graph) return encode_graph(*graph);
  TypeGraph unread;
  unread.unread.push_back(graph.error().line());
  return encode_graph(unread);
}

}  // namespace

Result<TypeGraph> read_type_graph(const std::vector<GraphedObject> &objects) {
  TypeGraph graph;
  for (uint32_t o = 0; o < objects.size(); ++o) {
    if (objects[o].path.empty()) continue;
    Bytes bytes = TRY_WHILE(read_file(objects[o].path, kMaxGraphedObject), cat("reading ", objects[o].name));
    auto answer = run_contained([&] { return graph_answer(bytes); }, kMaxGraphBytes);
    if (!answer && answer.error().verdict() == Verdict::failed)
      return std::move(answer.error()).during(cat("reading the types of ", objects[o].name));
    if (answer)
      TRY_WHILE(add_decoded(*answer, o, objects[o].name, graph), cat("reading the types of ", objects[o].name));
    else
      graph.unread.push_back(cat(objects[o].name, " (", answer.error().line(), ")"));
  }
  return graph;
}

}  // namespace suture
