#include "fleet/shell/variables.h"

#include "base/macros.h"

/* A name, or a beginning (`LD_*`), or an end (`*_PROXY`). The first that fits counts. */
static const struct {
    const char *pattern;
    enum variable_kind kind;
} variables[] = {
    /* bash reads what follows differently: as POSIX says, with aliases, as an older bash, with other functions */
    {"POSIXLY_CORRECT", VARIABLE_READS},
    {"SHELLOPTS", VARIABLE_READS},
    {"BASHOPTS", VARIABLE_READS},
    {"BASH_COMPAT", VARIABLE_READS},
    {"BASH_ALIASES", VARIABLE_READS},
    {"BASH_CMDS", VARIABLE_READS},
    {"BASH_FUNC_*", VARIABLE_READS},
    {"histchars", VARIABLE_READS},
    /* which bytes are letters, and whether a backslash is half of one */
    {"LANG", VARIABLE_LOCALE},
    {"LC_*", VARIABLE_LOCALE},

    /* numbers that bash keeps itself: it calculates with what they are set to, or others do without a thought */
    {"SECONDS", VARIABLE_INTEGER},
    {"RANDOM", VARIABLE_INTEGER},
    {"SRANDOM", VARIABLE_INTEGER},
    {"LINENO", VARIABLE_INTEGER},
    {"OPTIND", VARIABLE_INTEGER},
    {"OPTERR", VARIABLE_INTEGER},
    {"HISTCMD", VARIABLE_INTEGER},
    {"BASHPID", VARIABLE_INTEGER},
    {"BASH_SUBSHELL", VARIABLE_INTEGER},
    {"EPOCHSECONDS", VARIABLE_INTEGER},
    {"PPID", VARIABLE_INTEGER},
    {"UID", VARIABLE_INTEGER},
    {"EUID", VARIABLE_INTEGER},
    {"SHLVL", VARIABLE_INTEGER},
    {"PIPESTATUS", VARIABLE_INTEGER},

    /* bash itself sets them: to words of the command, lines of input, names of directories */
    {"_", VARIABLE_FILLED},
    {"REPLY", VARIABLE_FILLED},
    {"OPTARG", VARIABLE_FILLED},
    {"MAPFILE", VARIABLE_FILLED},
    {"PWD", VARIABLE_FILLED},
    {"OLDPWD", VARIABLE_FILLED},
    {"DIRSTACK", VARIABLE_FILLED},
    {"FUNCNAME", VARIABLE_FILLED},
    {"GROUPS", VARIABLE_FILLED},
    {"HOST*", VARIABLE_FILLED},
    {"MACHTYPE", VARIABLE_FILLED},
    {"OSTYPE", VARIABLE_FILLED},
    {"EPOCHREALTIME", VARIABLE_FILLED},
    {"COMP*", VARIABLE_FILLED},
    {"COPROC*", VARIABLE_FILLED},
    {"READLINE_*", VARIABLE_FILLED},

    /* bash: where commands and files are found, what becomes a word, what is run at a start, a prompt, a trace */
    {"PATH", VARIABLE_STEERS},
    {"CDPATH", VARIABLE_STEERS},
    {"EXECIGNORE", VARIABLE_STEERS},
    {"IFS", VARIABLE_STEERS},
    {"GLOBIGNORE", VARIABLE_STEERS},
    {"ENV", VARIABLE_STEERS},
    {"BASH*", VARIABLE_STEERS},
    {"PROMPT_COMMAND", VARIABLE_STEERS},
    {"PS0", VARIABLE_STEERS},
    {"PS1", VARIABLE_STEERS},
    {"PS2", VARIABLE_STEERS},
    {"PS4", VARIABLE_STEERS},
    {"INPUTRC", VARIABLE_STEERS},
    {"HISTFILE", VARIABLE_STEERS},
    {"TEXTDOMAIN*", VARIABLE_STEERS}, /* translations of $"..." are expanded */
    {"FPATH", VARIABLE_STEERS},
    {"ZDOTDIR", VARIABLE_STEERS},

    /* the loader and the C library: objects, modules, other servers for names */
    {"LD_*", VARIABLE_STEERS},
    {"GCONV_PATH", VARIABLE_STEERS},
    {"LOCPATH", VARIABLE_STEERS},
    {"NLSPATH", VARIABLE_STEERS},
    {"GLIBC_TUNABLES", VARIABLE_STEERS},
    {"GETCONF_DIR", VARIABLE_STEERS},
    {"HOSTALIASES", VARIABLE_STEERS},
    {"LOCALDOMAIN", VARIABLE_STEERS},
    {"RES_OPTIONS", VARIABLE_STEERS},
    {"RESOLV_*", VARIABLE_STEERS},
    {"TERMINFO*", VARIABLE_STEERS},
    {"TERMCAP", VARIABLE_STEERS},

    /* programs that tools start */
    {"*PAGER", VARIABLE_STEERS},
    {"*EDITOR", VARIABLE_STEERS},
    {"VISUAL", VARIABLE_STEERS},
    {"BROWSER", VARIABLE_STEERS},
    {"SHELL", VARIABLE_STEERS},
    {"LESS*", VARIABLE_STEERS},
    {"*_ASKPASS", VARIABLE_STEERS},
    {"GIT_*", VARIABLE_STEERS},
    {"SSH_*", VARIABLE_STEERS},
    {"SUDO_*", VARIABLE_STEERS},
    {"RSYNC_*", VARIABLE_STEERS},
    {"*_RSH", VARIABLE_STEERS},
    {"SVN_*", VARIABLE_STEERS},

    /* options that tools read before those of the command line */
    {"MAKEFLAGS", VARIABLE_STEERS},
    {"MAKEFILES", VARIABLE_STEERS},
    {"GNUMAKEFLAGS", VARIABLE_STEERS},
    {"*_OPTIONS", VARIABLE_STEERS},
    {"*_OPTS", VARIABLE_STEERS},
    {"PERL*", VARIABLE_STEERS},
    {"PYTHON*", VARIABLE_STEERS},
    {"RUBY*", VARIABLE_STEERS},
    {"GEM_*", VARIABLE_STEERS},
    {"BUNDLE_*", VARIABLE_STEERS},
    {"NODE_*", VARIABLE_STEERS},
    {"npm_*", VARIABLE_STEERS},
    {"NPM_*", VARIABLE_STEERS},
    {"JAVA_*", VARIABLE_STEERS},
    {"CLASSPATH", VARIABLE_STEERS},
    {"LUA_*", VARIABLE_STEERS},
    {"PHP*", VARIABLE_STEERS},
    {"GOFLAGS", VARIABLE_STEERS},
    {"CARGO_*", VARIABLE_STEERS},
    {"RUSTC*", VARIABLE_STEERS},
    {"GCC_EXEC_PREFIX", VARIABLE_STEERS},
    {"COMPILER_PATH", VARIABLE_STEERS},

    /* files of settings, and whom a tool talks to */
    {"HOME", VARIABLE_STEERS},
    {"XDG_*", VARIABLE_STEERS},
    {"KUBE*", VARIABLE_STEERS},
    {"DOCKER_*", VARIABLE_STEERS},
    {"HELM_*", VARIABLE_STEERS},
    {"AWS_*", VARIABLE_STEERS},
    {"AZURE_*", VARIABLE_STEERS},
    {"CLOUDSDK_*", VARIABLE_STEERS},
    {"GOOGLE_*", VARIABLE_STEERS},
    {"VAULT_*", VARIABLE_STEERS},
    {"TF_*", VARIABLE_STEERS},
    {"ANSIBLE_*", VARIABLE_STEERS},
    {"CREDFD_*", VARIABLE_STEERS},
    {"CURL_*", VARIABLE_STEERS},
    {"WGETRC", VARIABLE_STEERS},
    {"GNUPGHOME", VARIABLE_STEERS},
    {"OPENSSL_*", VARIABLE_STEERS},
    {"SSL_*", VARIABLE_STEERS},
    {"REQUESTS_CA_BUNDLE", VARIABLE_STEERS},
    {"*_proxy", VARIABLE_STEERS},
    {"*_PROXY", VARIABLE_STEERS},
};

static bool fits(struct slice pattern, struct slice name) {
    if (slice_ends_with(pattern, SLICE("*")))
        return slice_starts_with(name, slice_first(pattern, pattern.n - 1));
    if (slice_starts_with(pattern, SLICE("*")))
        return slice_ends_with(name, slice_from(pattern, 1));
    return slice_equals(pattern, name);
}

enum variable_kind variable_kind(struct slice name) {
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        if (fits(slice_of_string(variables[i].pattern), name))
            return variables[i].kind;
    }
    return VARIABLE_PLAIN;
}

bool locale_is_plain(struct slice value) {
    return value.n == 0 || slice_equals(value, SLICE("C")) || slice_equals(value, SLICE("POSIX")) ||
           slice_ends_with(value, SLICE(".UTF-8")) || slice_ends_with(value, SLICE(".utf8"));
}
