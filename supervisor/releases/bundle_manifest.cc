#include "supervisor/releases/bundle_manifest.h"

#include "supervisor/config/config_reader.h"
#include "supervisor/core/bundle_path.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kLongestProgram = 1024;

// Both are parts of a path: no slash, and no dot at the beginning.
void read_part(ConfigReader& reader, const toml::key& key, const toml::node& node,
               bool (*valid)(std::string_view), const char* letters, std::string& out) {
  const auto text = node.value_exact<std::string>();
  if (!text || !valid(*text) || text->front() == '.') {
    reader.wrong(node, std::string(key.str()) + " must be a string of letters, digits, " + letters +
                           " (at most 64, not begun by a dot)");
    return;
  }
  out = *text;
}

std::vector<std::string> read_list(ConfigReader& reader, const std::string& key,
                                   const toml::node& node) {
  const toml::array* words = node.as_array();
  std::vector<std::string> out;
  bool fine = words != nullptr;
  for (std::size_t i = 0; fine && i < words->size(); ++i) {
    const auto text = words->get(i)->value_exact<std::string>();
    fine = text && !has_nul(*text);
    if (fine) out.push_back(*text);
  }
  if (!fine) reader.wrong(node, key + " must be a list of strings");
  return out;
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
      read_part(reader, key, node, core::valid_name, ". _ -", out.name);
    } else if (key == "version") {
      read_part(reader, key, node, core::valid_version, ". _ - + ~", out.version);
    } else if (key == "program") {
      reader.text(node, "program", out.program);
      // Of the host's file the kernel's own rules say where it is.
      const bool is_hosts = out.program.starts_with('/') && out.program.size() <= kLongestProgram;
      const auto path = bundle_path(out.program, kLongestProgram);
      if (out.program.starts_with("$BUNDLE/")) {
        reader.wrong(node,
                     "program is a path in the bundle as it is: leave out $BUNDLE/, which is for "
                     "args");
      } else if (!is_hosts && (!path || path->empty())) {
        reader.wrong(node,
                     "program must be the path of a file in the bundle, e.g. \"bin/chat\", or of "
                     "one of the host's, e.g. \"/usr/bin/python3\"");
      }
    } else if (key == "args") {
      out.args = read_list(reader, "args", node);
    } else if (key == "files") {
      out.files = read_list(reader, "files", node);
    } else {
      reader.unknown(key, kManifestName, {"name", "version", "program", "args", "files"});
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
