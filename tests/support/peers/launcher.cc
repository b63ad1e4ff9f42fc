// A compiled wrapper: executes the program `real` that lies beside its own file.
#include <unistd.h>

#include <filesystem>

int main(int, char** argv) {
  const std::string real =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "real").native();
  ::execv(real.c_str(), argv);
  return 1;
}
