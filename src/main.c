/*
 * argv -> command. Nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/cmd.h"
#include "cmd/usage.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", cmd_run},         {"call", cmd_call},         {"lease", cmd_lease},
    {"profile", cmd_profile}, {"dispatch", cmd_dispatch}, {"runner", cmd_runner},
    {"log", cmd_log},         {"check", cmd_check},       {"doctor", cmd_doctor},
    {"version", cmd_version},
};

static const char usage[] = "usage: credfd COMMAND [OPTION]...\n"
                            "\n"
                            "A credential as a file descriptor: a program can use it, and can never read it.\n"
                            "\n"
                            "  run      run a command that holds leases\n"
                            "  call     make one HTTP request through a lease, from inside such a command\n"
                            "  lease    list the leases of running commands, or end one\n"
                            "  profile  list the ready-made credentials, or show one\n"
                            "  dispatch lead people who have signed in to their own instances\n"
                            "  runner   take tasks from a control plane, and give each the lease of its key\n"
                            "  log      print the audit, or tell whether it was changed\n"
                            "  check    look a configuration over\n"
                            "  doctor   say what this kernel and this user give\n"
                            "  version  say which credfd this is\n"
                            "\n"
                            "credfd COMMAND --help tells more, and so does credfd(1).\n";

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";

    if (fd_reserve_standard() < 0)
        return EXIT_CREDFD;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return usage_print(usage);
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    log_error("%s%s; see credfd --help", argc > 1 ? argv[1] : "no command is given",
              argc > 1 ? ": no such command" : "");
    return EXIT_CREDFD;
}
