/*
 * The commands, one file each, and the exit statuses that they share. main.c looks a command up by its name and calls
 * it with that name as argv[0]; nobody has used getopt before. Each takes -c FILE and --help, says what is wrong in one
 * line on standard error, and returns the exit status of the process.
 */
#pragma once

/* Those of `run` are those of env(1), nohup(1) and the shell; 22 is what curl(1) gives for an HTTP error. */
#define EXIT_CREDFD 125         /* credfd itself failed, or was used wrongly */
#define EXIT_NOT_EXECUTABLE 126 /* the command was found and cannot be executed */
#define EXIT_NOT_FOUND 127      /* the command was not found */
#define EXIT_HTTP_ERROR 22      /* the answer's status is 400 or above */

int cmd_call(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_dispatch(int argc, char **argv);
int cmd_dispatch_check(int argc, char **argv); /* its first argument is "check" */
int cmd_doctor(int argc, char **argv);
int cmd_lease(int argc, char **argv);
int cmd_profile(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_runner(int argc, char **argv);
int cmd_runner_explain(int argc, char **argv); /* its first argument is "explain" */
int cmd_runner_status(int argc, char **argv);  /* likewise */
int cmd_version(int argc, char **argv);
