#include "surrounding.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "support/process/files.h"
#include "support/process/programs.h"
#include "support/process/small_disk.h"

namespace chaos {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// A pipe of one page is the supervisor's stderr, and that of its services.
class StalledLog final : public Surrounding {
 public:
  void prepare(Scene& scene) override {
    const std::string fifo = scene.path("log");
    if (::mkfifo(fifo.c_str(), 0600) < 0) fail("mkfifo");
    reader_.reset(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    writer_.reset(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (!reader_.valid() || !writer_.valid()) fail("open " + fifo);
    if (::fcntl(reader_.get(), F_SETPIPE_SZ, kPipe) < 0) fail("F_SETPIPE_SZ");
    scene.supervisor.options().wrapper = {"/bin/bash", "-c", "exec \"$@\" 2>" + fifo, "bash"};
    scene.on_turn = [this, &scene] { read(scene); };
  }
  void happen(Scene& scene) override {
    read(scene);
    stalled_ = true;
    const char filler = '\n';
    while (::write(writer_.get(), &filler, 1) > 0) {
    }
    if (errno != EAGAIN) fail("write to the log");
  }
  void pass(Scene& scene, Hit) override {
    stalled_ = false;
    read(scene);
  }

 private:
  static constexpr int kPipe = 4096;

  void read(Scene& scene) {
    std::array<char, kPipe> chunk{};
    while (!stalled_) {
      const ssize_t n = ::read(reader_.get(), chunk.data(), chunk.size());
      if (n <= 0) return;
      scene.more_log.append(chunk.data(), static_cast<std::size_t>(n));
    }
  }

  handoff::UniqueFd reader_, writer_;
  bool stalled_ = false;
};

class FullDisk : public Surrounding {
 public:
  // variable: of the folder. code: of an upgrade that is refused, self: of the supervisor's own,
  // which needs nothing new in the runtime folder.
  FullDisk(std::string variable, std::string folder, std::string code, std::string self)
      : variable_(std::move(variable)),
        folder_(std::move(folder)),
        code_(std::move(code)),
        self_(std::move(self)) {}

  void prepare(Scene& scene) override {
    test::SmallDisk::keep_to_this_process();
    disk_.emplace();
    scene.environment[variable_] = disk_->path() + folder_;
    scene.top_config = "history = \"required\"\n";
  }
  void happen(Scene&) override {
    const std::string history = disk_->path() + "/history.jsonl";
    if (fs::exists(history)) test::pad_to_page(history);
    disk_->fill();
  }
  Promise promise(Hit) const override { return {.self_refused_by = self_}; }
  std::vector<Told> told(Scene& scene, Hit) override {
    const auto refused = scene.command({"upgrade", "--json", scene.struck.name, scene.struck.two});
    return {{.command = "upgrade on a full disk",
             .status = refused.status,
             .may = {1},
             .code = last_line(refused).value("/error/code"_json_pointer, ""),
             .must_be = code_}};
  }
  void pass(Scene&, Hit) override { disk_->make_room(); }

 private:
  const std::string variable_, folder_, code_, self_;
  std::optional<test::SmallDisk> disk_;
};

class StateFile final : public Surrounding {
 public:
  explicit StateFile(bool removed) : removed_(removed) {}

  void at_the_blow(Scene& scene) override {
    const std::string file = scene.supervisor.runtime() + "/state.json";
    if (removed_) {
      if (!fs::remove(file)) throw Problem{"there was no " + file};
    } else {
      test::write_file(file, "{", 0600);
    }
  }

 private:
  const bool removed_;
};

class Binary final : public Surrounding {
 public:
  explicit Binary(What what) : what_(what) {}

  // The kernel lets nobody write to a file that is executed. So the service is stopped meanwhile. A
  // start from nothing runs what lies at the configuration's path by then, and of another file that
  // was chosen its copy: so it is another file.
  void before_clients(Scene& scene) override {
    if (what_ != What::kBinaryOverwritten) return;
    Tested& struck = scene.struck;
    const std::string chosen = scene.path("chosen");
    copy_program(struck.service, 1, chosen);
    scene.settle(struck);
    scene.upgrade(struck, chosen, {"--probation", "0s"});
    if (scene.settle(struck).at("kept") != true) throw Problem{"no copy of " + chosen};
    expect_done(scene.command({"stop", struck.name}));
    {
      std::ofstream file(chosen, std::ios::binary | std::ios::trunc);
      file << test::read_file(struck.two);
      if (!file.flush()) fail("write to " + chosen);
    }
    expect_done(scene.command({"restart", struck.name}));
    scene.settle(struck);
  }
  void happen(Scene& scene) override {
    const std::string& path = scene.struck.one;
    if (what_ == What::kBinaryMoved) fs::rename(path, path + ".moved");
    if (what_ != What::kBinaryReplaced) return;
    copy_program(scene.struck.service, 2, path + ".new");
    fs::rename(path + ".new", path);
  }
  Promise promise(Hit) const override { return {.drift = true}; }

 private:
  static void expect_done(const test::Outcome& outcome) {
    if (outcome.status != 0) throw Problem{"before all: " + outcome.describe()};
  }
  const What what_;
};

class Flood final : public Surrounding {
 public:
  void prepare(Scene& scene) override {
    scene.more_config = "[service.flood]\ncommand = [\"" + test::program("fake_service") +
                        "\", \"--flood\", \"health\"]\ndrain = \"1s\"\n";
  }
  void pass(Scene& scene, Hit) override {
    const auto stop = scene.command({"stop", "flood"});
    if (stop.status != 0) throw Problem{"the flood can't be stopped: " + stop.describe()};
  }
};

}  // namespace

std::unique_ptr<Surrounding> make_surrounding(What what) {
  switch (what) {
    case What::kStalledLog:
      return std::make_unique<StalledLog>();
    case What::kStateDiskFull:
      return std::make_unique<FullDisk>("HANDOFF_STATE_DIR", "", "history", "history");
    case What::kRuntimeDiskFull:
      return std::make_unique<FullDisk>("HANDOFF_RUNTIME_DIR", "/run", "resources", "");
    case What::kStateLost:
    case What::kStateBroken:
      return std::make_unique<StateFile>(what == What::kStateLost);
    case What::kBinaryMoved:
    case What::kBinaryReplaced:
    case What::kBinaryOverwritten:
      return std::make_unique<Binary>(what);
    case What::kFlood:
      return std::make_unique<Flood>();
    default:
      return make_operation(what);
  }
}

}  // namespace chaos
