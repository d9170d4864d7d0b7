#include "build/shim_config.h"

#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "build/object_store.h"

namespace suture {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr const char *kFileName = "suture-cc.json";
constexpr uint64_t kMaxConfigBytes = 64u << 20;

}  // namespace

Result<ShimConfig> read_shim_config(const fs::path &shim_folder) {
  const Json json = Json::parse(TRY(read_text(shim_folder / kFileName, kMaxConfigBytes)), nullptr, false);
  if (!json.is_object()) return Error::corrupt(cat((shim_folder / kFileName).string(), " is not JSON"));
  ShimConfig config;
  try {  // nlohmann throws where a value has another type than asked for
    config.state = json.value("state", "");
    config.phase = json.value("phase", "");
    config.tree = json.value("tree", "");
    config.search_path = json.value("search_path", "");
    config.added_names = json.value("added_names", std::vector<std::string>());
    config.unused_outputs = json.value("unused_outputs", std::map<std::string, std::string>());
  } catch (const Json::exception &problem) {
    return Error::corrupt(cat((shim_folder / kFileName).string(), ": ", problem.what()));
  }
  return config;
}

Status write_shim_config(const fs::path &shim_folder, const ShimConfig &config) {
  const Json json = {{"state", config.state.string()},
                     {"phase", config.phase},
                     {"tree", config.tree.string()},
                     {"search_path", config.search_path},
                     {"added_names", config.added_names},
                     {"unused_outputs", config.unused_outputs}};
  return write_file_quick(shim_folder / kFileName, as_bytes(json.dump(1, ' ', false, Json::error_handler_t::replace)));
}

}  // namespace suture
