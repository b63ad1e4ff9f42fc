// The program `handoff`: everything is in cli/.
#include "supervisor/cli/options.h"

int main(int argc, char** argv) { return handoff::supervisor::run_cli(argc, argv); }
