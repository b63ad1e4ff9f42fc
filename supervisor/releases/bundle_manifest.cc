#include "supervisor/releases/bundle_manifest.h"

#include "supervisor/config/config_reader.h"
#include "supervisor/core/bundle_path.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kLongestProgram = 1024;

void read_name(ConfigReader& reader, const toml::key& key, const toml::node& node,
               std::string& out) {
  const auto text = node.value_exact<std::string>();
  if (!text || !core::valid_name(*text) || text->front() == '.') {
    reader.wrong(node,
                 std::string(key.str()) +
                     " must be a string of letters, digits, . _ - (at most 64, not begun by a "
                     "dot)");
    return;
  }
  out = *text;
}

void read_args(ConfigReader& reader, const toml::node& node, BundleManifest& out) {
  const toml::array* words = node.as_array();
  std::vector<std::string> args;
  bool fine = words != nullptr;
  for (std::size_t i = 0; fine && i < words->size(); ++i) {
    const auto text = words->get(i)->value_exact<std::string>();
    fine = text && !has_nul(*text);
    if (fine) args.push_back(*text);
  }
  if (!fine) return reader.wrong(node, "args must be a list of strings");
  out.args = std::move(args);
}

}  // namespace

Result<BundleManifest> parse_manifest(const std::string& text) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(-EINVAL, std::string(kManifestName) + ":" +
                             std::to_string(error.source().begin.line) + ": " +
                             std::string(error.description()));
  }
  ConfigReader reader;
  BundleManifest out;
  for (const auto& [key, node] : root) {
    if (key == "name") {
      read_name(reader, key, node, out.name);
    } else if (key == "version") {
      read_name(reader, key, node, out.version);
    } else if (key == "program") {
      reader.text(node, "program", out.program);
      const auto path = bundle_path(out.program, kLongestProgram);
      if (!path || path->empty()) {
        reader.wrong(node, "program must be the path of a file in the bundle, e.g. \"bin/chat\"");
      }
    } else if (key == "args") {
      read_args(reader, node, out);
    } else {
      reader.unknown(key, kManifestName, {"name", "version", "program", "args"});
    }
  }
  for (const char* key : {"name", "version", "program"}) {
    if (!root.contains(key)) reader.wrong(0U, std::string("there is no ") + key);
  }
  std::string why;
  for (const ConfigProblem& problem : reader.take_problems()) {
    why += (why.empty() ? "" : "; ") + describe(problem, kManifestName);
  }
  if (!why.empty()) return fail(-EINVAL, why);
  return out;
}

}  // namespace handoff::supervisor
