/*
 * credfd-mint USER [PROFILE]: prints a one-time credential for USER's own instance, by running the profile's command as
 * that user. Root's side of the dispatcher: sudo starts it, for the dispatcher's user. Whoever has taken the dispatcher
 * over can give it two words, an environment, descriptors and limits. None of them may be worth more than a credential
 * for a user that root has put into the map. So: libc only, no allocation of its own, no option, no shell, and nothing
 * is read but the map, the profile and the accounts. It never keeps a privilege beyond become(), and never comes back.
 *
 * Exit status: the command's own, 128 + n when signal n ended it, or one of these, with a line on standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* credfd-mint(8). UNSAFE_FILE: not root's alone. NOT_DROPPED: it did not begin as root, or some of that is left. */
enum { INVALID_USER = 2, NOT_MAPPED, BAD_PROFILE, UNSAFE_FILE, NO_ACCOUNT, NOT_DROPPED, NOT_RUN, TOO_LATE };

#define MAP "/etc/ttyd-user-map"
#define PROFILES "/etc/credfd/mint.d/"
#define DEFAULT_PROFILE "t3"
#define SECONDS 60

#define NAME_MAX_LENGTH 32
#define FILE_MAX (1024 * 1024)
#define WORDS_MAX 32
#define EXPANDED_MAX 8192

/* What a mint is when nobody has written a t3.conf: docs/dispatch.md has where it comes from. */
static const char default_command[] = "/usr/bin/t3\nauth\npairing\ncreate\n--base-dir\n/home/{os_user}/.t3\n--ttl\n5m\n"
                                      "--json\n";

static char bytes[FILE_MAX + 1];    /* of the file that was read last; its end is a NUL */
static char expanded[EXPANDED_MAX]; /* words and environment */
static size_t n_expanded;
static char *words[WORDS_MAX + 1];

/* Constants only: what a caller chose is not repeated, to a terminal or a log. */
static void __attribute__((noreturn)) fail(int status, const char *why) {
    (void)fprintf(stderr, "credfd-mint: %s\n", why);
    _exit(status);
}

/*
 * What the caller left is taken away before anything is opened: descriptors (the three must be there, so that no file
 * of root's becomes one of them), environment (NSS reads it), masks, handlers, a timer, a core's size, the directory.
 */
static void begin_clean(void) {
    const struct rlimit none = {0, 0};
    sigset_t empty;

    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(NOT_DROPPED);
    if (close_range(3, ~0U, 0) < 0 || clearenv() != 0 || setrlimit(RLIMIT_CORE, &none) < 0 || chdir("/") < 0)
        fail(NOT_DROPPED, "cannot begin");
    (void)umask(077);
    (void)alarm(0);
    for (int number = 1; number <= SIGRTMAX; number++)
        (void)signal(number, SIG_DFL); /* refused for SIGKILL, SIGSTOP and libc's own, which nobody can have changed */
    (void)sigemptyset(&empty);
    (void)sigprocmask(SIG_SETMASK, &empty, NULL);
    /* root in earnest: made setuid by mistake, this program would be everybody's */
    if (getuid() != 0 || geteuid() != 0 || getgid() != getegid())
        fail(NOT_DROPPED, "it is started by root, or by sudo");
}

/* The letters that both words are made of; what may come first differs. No locale is asked. */
static bool is_name(const char *text, bool is_user) {
    size_t n = strnlen(text, NAME_MAX_LENGTH + 1);

    for (size_t i = 0; i < n; i++) {
        bool is_letter = text[i] >= 'a' && text[i] <= 'z', is_digit = text[i] >= '0' && text[i] <= '9';

        if (!is_letter && !(is_user && text[i] == '_') && !(i > 0 && (is_digit || text[i] == '-')))
            return false;
    }
    return n > 0 && n <= NAME_MAX_LENGTH;
}

/* Root's, and nobody else may write: an ACL that lets somebody shows in the group's bits (acl(5), the mask). */
static bool is_roots(int fd, mode_t type) {
    struct stat st;

    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == 0 && (st.st_mode & 022) == 0;
}

/*
 * Reads all of a file: root's, as every directory above it is, none of them a link. Each is opened by its own name from
 * the one above, so what was checked is what is read. False when it is not there.
 */
static bool read_roots_file(const char *path) {
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), next;
    char part[NAME_MAX_LENGTH * 2];
    size_t n = 0, length;
    ssize_t got = 1;

    do {
        if (!is_roots(at, S_IFDIR))
            fail(UNSAFE_FILE, "its map or profile lies where others than root can write");
        length = strcspn(++path, "/");
        (void)snprintf(part, sizeof(part), "%.*s", (int)length, path);
        path += length;
        /* not blocking: should it be a pipe, the open must not wait for its writer */
        next = openat(at, part, (*path ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK | O_NOCTTY) | O_NOFOLLOW);
        if (next < 0 && errno == ENOENT)
            return false;
        (void)close(at);
        at = next;
    } while (*path);
    if (!is_roots(at, S_IFREG))
        fail(UNSAFE_FILE, "its map or profile is not a file that only root can write");
    while (got > 0 && n <= FILE_MAX) {
        got = read(at, bytes + n, sizeof(bytes) - n);
        n += got > 0 ? (size_t)got : 0;
    }
    (void)close(at);
    if (got < 0 || n > FILE_MAX || memchr(bytes, '\0', n))
        fail(UNSAFE_FILE, "its map or profile cannot be read");
    bytes[n] = '\0';
    return true;
}

/* The next line of `*rest`, its newline made a NUL, without blanks at its ends; NULL behind the last. */
static char *take_line(char **rest) {
    char *line = *rest + strspn(*rest, " \t"), *end = line + strcspn(line, "\n");

    if (**rest == '\0')
        return NULL;
    *rest = *end == '\n' ? end + 1 : end;
    while (end > line && strchr(" \t\r", end[-1]))
        end--;
    *end = '\0';
    return line;
}

/* Whether a line `name=USER` that is no comment stands in the map. */
static bool is_mapped(const char *user) {
    char *rest = bytes, *line;

    if (!read_roots_file(MAP))
        fail(UNSAFE_FILE, "there is no map of users");
    while ((line = take_line(&rest)))
        if (*line != '#' && *line != '=' && strchr(line, '=') && strcmp(strchr(line, '=') + 1, user) == 0)
            return true;
    return false;
}

/* Appends to what the command is made of. */
static void append(const char *text, size_t length) {
    if (length >= EXPANDED_MAX - n_expanded)
        fail(BAD_PROFILE, "its profile is too long");
    memcpy(expanded + n_expanded, text, length);
    n_expanded += length;
}

/* A word of the command or its environment: what stands for the user is replaced; what was put in is not looked at. */
static char *expand(const char *word, const struct passwd *of) {
    const char *const places[][2] = {{"{os_user}", of->pw_name}, {"{home}", of->pw_dir}, {"{shell}", of->pw_shell}};
    char *begin = expanded + n_expanded;

    while (*word) {
        size_t i = 0;

        while (i < 3 && strncmp(word, places[i][0], strlen(places[i][0])) != 0)
            i++;
        append(i < 3 ? places[i][1] : word, i < 3 ? strlen(places[i][1]) : 1);
        word += i < 3 ? strlen(places[i][0]) : 1;
    }
    append("", 1);
    return begin;
}

/* The profile's command into `words`: a word a line, no quotes, no shell; blank lines and lines with a # are none. */
static void read_profile(const char *profile, const struct passwd *account) {
    char path[sizeof(PROFILES) + NAME_MAX_LENGTH + sizeof(".conf")], *rest = bytes, *line;
    size_t n_words = 0;

    (void)snprintf(path, sizeof(path), PROFILES "%s.conf", profile);
    if (!read_roots_file(path)) {
        if (strcmp(profile, DEFAULT_PROFILE) != 0)
            fail(BAD_PROFILE, "there is no such profile");
        memcpy(bytes, default_command, sizeof(default_command));
    }
    while ((line = take_line(&rest)))
        if (*line != '\0' && *line != '#') {
            if (n_words == WORDS_MAX)
                fail(BAD_PROFILE, "its profile is too long");
            words[n_words++] = expand(line, account);
        }
    /* root names the program: it is looked for nowhere */
    if (n_words == 0 || words[0][0] != '/')
        fail(BAD_PROFILE, "its profile does not begin with an absolute path");
}

/* The account of exactly that name; never root's, nor one in root's group. */
static const struct passwd *find_account(const char *user) {
    const struct passwd *account = getpwnam(user);

    if (!account || strcmp(account->pw_name, user) != 0 || account->pw_dir[0] != '/')
        fail(NO_ACCOUNT, "there is no such account");
    if (account->pw_uid == 0 || account->pw_gid == 0)
        fail(NO_ACCOUNT, "root is nobody's workspace");
    return account;
}

/* Becomes the user, wholly: groups while that is still allowed, then the ids; then tries to come back, and must not. */
static void become(const struct passwd *account) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {0};
    uid_t uid = account->pw_uid, u[3];
    gid_t gid = account->pw_gid, g[3];

    if (initgroups(account->pw_name, gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
        getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0 || u[0] != uid || u[1] != uid ||
        u[2] != uid || g[0] != gid || g[1] != gid || g[2] != gid || setuid(0) == 0 || setgid(0) == 0)
        fail(NOT_DROPPED, "cannot become the user");
    /* securebits(7) that were inherited could have kept capabilities across setresuid */
    if (syscall(SYS_capget, &header, caps) < 0)
        fail(NOT_DROPPED, "cannot see what is left");
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        if (caps[i].permitted || caps[i].effective)
            fail(NOT_DROPPED, "a capability is left");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(NOT_DROPPED, "cannot forbid new privileges");
}

/* The command, in a session of its own: no terminal, and a group that can be ended as one. */
static void __attribute__((noreturn)) run(const struct passwd *account) {
    char *environment[7] = {expand("PATH=/usr/local/bin:/usr/bin:/bin", account),
                            expand("LANG=C.UTF-8", account),
                            expand("HOME={home}", account),
                            expand("USER={os_user}", account),
                            expand("LOGNAME={os_user}", account),
                            expand("SHELL={shell}", account)}; /* and NULL */

    /* a home that is not there is no reason: the command may need none */
    if (chdir(account->pw_dir) < 0 && chdir("/") < 0)
        fail(NOT_RUN, "has nowhere to go");
    /* standard error is somebody's log or terminal: what a person says there could forge the one, and drive the other */
    if (dup2(open("/dev/null", O_RDWR), STDIN_FILENO) < 0 || setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
        close_range(3, ~0U, 0) < 0 || fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) != 3 || dup2(STDIN_FILENO, 2) < 0)
        fail(NOT_RUN, "cannot set the command apart");
    (void)execve(words[0], words, environment);
    (void)dup2(3, STDERR_FILENO);
    fail(NOT_RUN, "its command cannot be run");
}

/*
 * Waits for the command, as the same user: the dispatcher, which is another, cannot end it. It ends, with its group,
 * when it takes too long and when nobody reads any more what it prints.
 */
static int watch(pid_t child) {
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0), status = 0;
    struct pollfd of[] = {{.fd = pidfd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    int n = pidfd < 0 ? -1 : poll(of, 2, SECONDS * 1000);

    /* before it is reaped: its number cannot be another's yet */
    (void)kill(-child, SIGKILL);
    (void)kill(child, SIGKILL);
    if (waitpid(child, &status, 0) != child)
        fail(NOT_RUN, "its command was lost");
    if (n <= 0 || !of[0].revents)
        fail(TOO_LATE, n < 0 ? "its command was lost" : n > 0 ? "nobody reads" : "its command took too long");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
    const char *profile = argc == 3 ? argv[2] : DEFAULT_PROFILE;
    const struct passwd *account;
    pid_t child;

    begin_clean();
    if ((argc != 2 && argc != 3) || !is_name(argv[1], true))
        fail(INVALID_USER, "invalid user");
    if (!is_name(profile, false))
        fail(BAD_PROFILE, "invalid profile");
    if (!is_mapped(argv[1]))
        fail(NOT_MAPPED, "user not mapped");
    account = find_account(argv[1]);
    read_profile(profile, account);
    become(account);
    child = fork();
    if (child == 0)
        run(account);
    _exit(child > 0 ? watch(child) : NOT_RUN);
}
