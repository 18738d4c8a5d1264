/*
 * Every cap of the project in one table. Sizes in bytes, times in milliseconds. A buffer, list or wait that has no
 * row here has no business to exist; what a peer sends never sizes anything.
 */
#pragma once

/* HTTP heads. RFC 9112 §3 recommends at least 8000 for the request line; the rest bounds memory. */
#define LIMIT_METHOD 32
#define LIMIT_TARGET (8 * 1024)
#define LIMIT_FIELD_LINE (16 * 1024)
#define LIMIT_HEAD (64 * 1024)
#define LIMIT_FIELDS 128
#define LIMIT_INTERIM_RESPONSES 8

/* HTTP bodies. */
#define LIMIT_CHUNK_SIZE_DIGITS 16
#define LIMIT_CHUNK_EXTENSION 1024
#define LIMIT_TRAILERS (16 * 1024)
#define LIMIT_DRAIN (256 * 1024) /* read and thrown away so that a refused client sees its answer */

/*
 * One read from a socket; and of a response's body, where one read is what travels in one datagram between roles. For a
 * larger one the kernel would want more than eight pages in a row, which it does not insist on finding.
 */
#define LIMIT_READ (64 * 1024)
#define LIMIT_PIECE (96 * 1024)

/* A datagram between roles: a whole head in its encoded form and the first bytes of a body. */
#define LIMIT_DATAGRAM (LIMIT_HEAD + LIMIT_PIECE + 4096)

/* Messages that wait until one of our own processes takes them; a keeper that was started again is told of every lease. */
#define LIMIT_CHANNEL_QUEUE 4096
#define LIMIT_KEEPER_QUEUE (LIMIT_CHANNEL_QUEUE + 8 * LIMIT_TASKS)

/* Leases and streams. */
#define LIMIT_LEASES 64             /* of one workload */
#define LIMIT_STREAMS 256           /* open at once through one lease */
#define LIMIT_DIALS 64              /* asked for through one lease and not answered yet; a power of two */
#define LIMIT_NAME 64               /* a credential's name */
#define LIMIT_IDENTITY LIMIT_TASK_ID /* in whose name a lease is: a person's, a task's */
#define LIMIT_RULES 256             /* of one credential */
#define LIMIT_REASON 512            /* why a request was refused, in words */
#define LIMIT_RULE (2 * 1024)       /* one rule's text */
#define LIMIT_RULES_TEXT (64 * 1024) /* all rules of one credential: they travel in one datagram */
#define LIMIT_EXECUTABLES 64        /* patterns of programs that may use one credential */
#define LIMIT_EXECUTABLE 512        /* one of them */
#define LIMIT_FORMAT 1024           /* what stands around a secret in its field */
#define LIMIT_INJECTIONS 8          /* places of one credential's secret in a request */
#define LIMIT_PAIR ((LIMIT_FORMAT + 1 + LIMIT_SECRET + 2) / 3 * 4) /* a name and a secret, encoded (RFC 7617 §2) */
#define LIMIT_AUTHORITY 300         /* host and port */
#define LIMIT_BASE_PATH 1024
#define LIMIT_HOST 255              /* RFC 1035 §2.3.4 */
#define LIMIT_SECRET (16 * 1024)
#define LIMIT_COMMAND_OUTPUT (64 * 1024) /* of a command that prints a secret: JSON may hold more than that */
#define LIMIT_SECRET_LIFE (10000ULL * 366 * 24 * 3600000) /* ms: no expiry that can be written is further away */
#define LIMIT_REGIONS 16384         /* of short secrets, in one keeper: 256 of up to 64 bytes fit into each */
#define LIMIT_MASK_THREADS 128      /* beginnings of a secret that are followed in a text at once */
#define LIMIT_ENTITY_DIGITS 8       /* of &#38; and &#x26; when a secret is looked for, zeros in front included */
#define LIMIT_CA_FILE (4 * 1024 * 1024)
#define LIMIT_IDLE_UPSTREAMS 64     /* warm connections kept for each (identity, credential) */
#define LIMIT_WARM_UPSTREAMS 4096   /* in all; for one more the one that was used longest ago is closed */
#define LIMIT_ADDRESSES 32          /* used of one name */

/* What a lease can be told to spend. */
#define LIMIT_LEASE_REQUESTS 1000000000
#define LIMIT_LEASE_RATE 1000000    /* requests a second, a minute or an hour */
#define LIMIT_LEASE_BYTES (1ULL << 50)
#define LIMIT_LEASE_TTL (7 * 24 * 3600000) /* ms */

/* The audit. */
#define LIMIT_AUDIT_LINE (96 * 1024)    /* with each byte of every text in it escaped */
#define LIMIT_AUDIT_QUEUE (1024 * 1024) /* lines that wait for one target; one more goes to standard error */
#define LIMIT_AUDIT_ROTATE_LEAST 1024 /* a line or two */
#define LIMIT_AUDIT_ROTATE (1ULL << 40)
#define LIMIT_AUDIT_KEEP 100        /* old ones */
#define AUDIT_KEEP 5                /* that many without a word about it */

/* The control socket. */
#define LIMIT_CONTROL_CLIENTS 16    /* at once; more wait to be taken */
#define LIMIT_LISTED 65536          /* leases of one supervisor that `credfd lease list` takes */

/* The metrics. */
#define LIMIT_METRICS (1024 * 1024) /* the whole text; LIMIT_LABELLED of them fit */
#define LIMIT_LABELLED (LIMIT_LEASES + 1) /* names of leases; what is lent under others is counted as one */
#define LIMIT_SCRAPERS 16           /* connections to it at once */

/* Doors. */
#define LIMIT_CALLS 256             /* connections through one relay's listeners that wait for a stream or a way */
#define LIMIT_CALLING 32            /* of them, before one more is accepted at a base_url */
#define LIMIT_CALLERS 4096          /* connections through them at once */
#define LIMIT_CALLER_PROCESSES 16384 /* of a command, looked at for who has connected */
#define LIMIT_CALLER_FILES (256 * 1024) /* of them all, likewise */
#define LIMIT_CALLER_DEPTH 1024     /* from a process up to the command that it descends from */
#define LIMIT_WAYS 4096             /* to hosts without a credential, open at once for one workload */
#define LIMIT_GATE_RULES 512
#define LIMIT_CLIENT_HELLO (128 * 1024) /* RFC 8446 §4: as long as a handshake message of ours may be, and more than any is */
#define LIMIT_CLIENT_HELLOS (4 * 1024 * 1024) /* of all that wait for their rest together, but for the first 4 KiB of each */
#define LIMIT_PLACEHOLDER 256       /* as it is written, and as it is made */
#define LIMIT_PREFIX 32             /* hexadecimal digits of a path that nobody guesses */
#define LIMIT_SUGGESTED 10000       /* different requests that --learn and --suggest keep in mind */
#define LIMIT_VIEW_PATHS 64         /* of --read and of --write */
#define LIMIT_HIDDEN 4096           /* sockets and files that a command's view covers */
#define LIMIT_KEPT 512              /* files that it may read and neither write to nor replace: rules, programs */

/* Configuration. */
#define LIMIT_CONFIG (1024 * 1024)
#define LIMIT_CONFIG_DEPTH 16       /* mappings and lists inside one another */
#define LIMIT_CONFIG_NODES 32768    /* values in one file */
#define LIMIT_WORDS 64              /* of a command */
#define LIMIT_PROFILES 256          /* that `credfd profile list` lists */
#define LIMIT_DESCRIPTION 200       /* of a profile */

/* The dispatcher. */
#define LIMIT_PERSON 128            /* a person's name in the table */
#define LIMIT_TABLE (64 * 1024 * 1024) /* the table's file */
#define LIMIT_TABLE_NAMES 1000000
#define LIMIT_TABLE_MEMORY (1LL << 30) /* compiled */
#define LIMIT_INSTANCE_KEY 512      /* its user, place and recipe in one text */
#define LIMIT_TABLE_ROUTES 64       /* of one name: its instances by host and path */
#define LIMIT_ENTRY_NAMES 64        /* further names of one entry */
#define LIMIT_ENTRY (16 * 1024)     /* the texts of one entry */
#define LIMIT_EVENT_TEXT (4 * 1024) /* one text of a file that is read as events */
#define LIMIT_FORWARDED 16          /* addresses that a front may name before its own */
#define LIMIT_OS_USER 32            /* useradd(8) */
#define LIMIT_TRUSTED_PEERS 64      /* ranges of addresses, and users */
#define LIMIT_DOMAINS 64
#define LIMIT_ADMINS 64
#define LIMIT_CLAIM 512             /* an issuer, an audience, a URL of keys */
#define LIMIT_ASSERTION (12 * 1024) /* a JWT */
#define LIMIT_LISTENERS 16
#define LIMIT_KEYS (256 * 1024)     /* a set of keys (JWKS), as it is published */
#define LIMIT_JWKS 64               /* keys of it that are used */
#define LIMIT_ASSERTION_WAITERS 256 /* assertions that wait for keys */
#define LIMIT_GUESTS 8192           /* connections through a doorman at once */
#define LIMIT_HANDSHAKES 256        /* of them in the middle of their handshake */
#define LIMIT_GUEST_LINES 20        /* refusals that a doorman says in the log in GUEST_LINES_EVERY */
#define LIMIT_TLS_FILE (64 * 1024)  /* a server's certificate with its chain, or its key */
#define LIMIT_RSA_BITS 8192         /* of a key that signs assertions; a larger one costs too much */
#define LIMIT_WORKERS 64
#define LIMIT_INHERITED (2 * LIMIT_LISTENERS * LIMIT_WORKERS) /* sockets that systemd or a predecessor hands over */
#define LIMIT_BACKLOG 4096          /* connections that wait to be accepted; the kernel has a cap of its own */
#define LIMIT_COMMANDS 128          /* that the supervisor runs for roles at once; another is not started */
#define LIMIT_SAID (4 * 1024)       /* kept of what one command says on standard error; the rest is thrown away */
#define LIMIT_SAID_LINE 512         /* of one line of it in the log, before it is escaped */
#define LIMIT_SAID_LINES 8
#define LIMIT_ASKERS (LIMIT_WORKERS + 4) /* roles that one resolver answers */
#define LIMIT_MINT_RATE 1000000     /* mints of one person a second, a minute or an hour */
#define LIMIT_RECIPES 32
#define LIMIT_RECIPE_COOKIES 8
#define LIMIT_RECIPE_STATUSES 8
#define LIMIT_RECIPE_EXCHANGES 4
#define LIMIT_RECIPE_PATH 1024      /* a path on an instance */
#define LIMIT_RECIPE_TEMPLATE (4 * 1024) /* of an exchange's body */
#define LIMIT_RECIPE_FIELD 128      /* the dotted name of a field of JSON */
#define LIMIT_COOKIE_NAME 128
#define LIMIT_APP_PART (16 * 1024)  /* what is put into a <head>, or a manifest */
#define LIMIT_INSTANCE_ANSWER (64 * 1024) /* what an instance says to the pairer */
#define LIMIT_MINTS 16              /* mint commands that run at once */
#define LIMIT_PAIRINGS 256          /* that are under way at once, with or without their mint */
#define LIMIT_PAIRING_PEOPLE 4096   /* who pair, or have just paired */
#define LIMIT_PERSON_QUESTIONS 64   /* that wait for one person's pairing */
#define LIMIT_SESSION_QUESTIONS 4096 /* of one dispatcher that wait */
#define LIMIT_LOOKS 256             /* at sessions, at once */
#define LIMIT_INSTANCE_LOOKS 8      /* of them at one instance */
#define LIMIT_SET_COOKIES 16        /* of one pairing */
#define LIMIT_COOKIE (16 * 1024)    /* of one request, or set by one pairing */
#define LIMIT_APP_LOOK (16 * 1024)  /* of a document, for its <head> */
#define LIMIT_PROBE_MESSAGE (64 * 1024)
#define LIMIT_PROBES 256            /* of /probe/ws at once: it is open to everybody */
#define LIMIT_WARDS 65536           /* instances that the steward has in mind at once */
#define LIMIT_HEALTH_ASKED 32       /* instances that are asked for their health at once */
#define LIMIT_HEALTH_ALL 1000       /* instances of a table of which all are asked, not only those in use */
#define LIMIT_WARM 256              /* warm connections to one instance */
#define LIMIT_ASSERTED 256          /* assertions that a dispatcher remembers */
#define LIMIT_ACCEPTED 64           /* connections accepted before others get their turn */
#define LIMIT_RESERVED_FDS 64       /* of a dispatcher's, for channels, listeners, the table, and what comes */
#define LIMIT_PROTECTED 16          /* names that Connection must not remove */
#define LIMIT_PEOPLE 16384          /* that the supervisor has a record of; and as many instances */
#define LIMIT_REASON_SHOWN 120      /* why a pairing failed, on the status page */
#define LIMIT_STATUS_ROWS 1000      /* of each list on the status page */
#define LIMIT_STATUS (4 * 1024 * 1024) /* the page, with each byte of every name escaped */
#define LIMIT_ACCESS_LINE (32 * 1024) /* with each byte of every text in it escaped */
#define LIMIT_ACCESS_GATHERED (256 * 1024) /* lines that wait to be written; one more is lost, and counted */
#define LIMIT_ACCESS_PATH (2 * 1024) /* of a path in the access log; what is longer is cut */
#define LIMIT_FIELD_SHOWN 64        /* of the name of a field that is at fault; what is longer is cut */

/* The runner. */
#define LIMIT_FRAME (16 * 1024 * 1024) /* a message of the hub's, and one to it */
#define LIMIT_HUB_DEPTH 32          /* of an object within an object of a message */
#define LIMIT_HUB_VALUES 20000      /* in one message of the hub's: each costs more memory than it is long */
#define LIMIT_HUB_LINES 20          /* about wrong messages of the hub's in the log, in HUB_LINES_EVERY */
#define LIMIT_WORKNODE 256          /* a worknode's id, its name, one of its labels */
#define LIMIT_LABELS 64
#define LIMIT_TOKEN (2 * 1024)      /* of the link's; escaped it must fit into LIMIT_TARGET with a path before it */
#define LIMIT_PROXY 2048            /* $HTTPS_PROXY */
#define LIMIT_NO_PROXY (8 * 1024)
#define LIMIT_BASE_URL 2048         /* of a task's credential */
#define LIMIT_LINK_OUT (LIMIT_FRAME + 1024 * 1024) /* frames that the hub has not taken yet: one, and answers to its pings */
#define LIMIT_TASK_ID 80            /* of bytes from ! to ~; escaped it must fit into a file's name */
#define LIMIT_TASK_COMMAND (4 * 1024 * 1024)
#define LIMIT_TASK_VARIABLES 256
#define LIMIT_TASK_GLOBS 256
#define LIMIT_TASK_VARIABLE 1024    /* a name of one */
#define LIMIT_TASK_PATTERN (64 * 1024) /* of a glob or a grep */
#define LIMIT_TASK_GROUPS 256       /* of the user that tasks run as */
#define LIMIT_MASKED_LEAST 4        /* a key that is shorter guards nothing, and would blank out half of every text */
#define LIMIT_TASK_ENVIRONMENT (32 * 1024) /* what every command gets; and the names of variables that hold a key */
#define LIMIT_TASK_KEY (4 * 1024)   /* a credential that comes with a task; as LIMIT_SECRET */
#define LIMIT_TASK_OUTPUT (32 * 1024) /* of one IPC_TASK_OUTPUT */
#define LIMIT_RESULT (12 * 1024 * 1024) /* the payload of a task.result: with what stands around it, it fits LIMIT_FRAME */
#define LIMIT_RECORD (LIMIT_RESULT + 64 * 1024)
#define LIMIT_PREVIEW 8000          /* characters of an output that is cut: the original's */
#define LIMIT_PREVIEW_LINES 20
#define LIMIT_SHOWN_OUTPUT 30000    /* characters of an output that is not */
#define LIMIT_SHELL_DEPTH 64        /* of a command within a command */
#define LIMIT_SHELL_COMMANDS 10000  /* simple ones that are found in one text */
#define LIMIT_SHELL_NAMES 10000     /* variables and functions of it */
#define LIMIT_SHELL_MEMORY (96 * 1024 * 1024) /* for what is found in LIMIT_TASK_COMMAND */
#define LIMIT_COMMAND_RULES 512
#define LIMIT_COMMAND_PATTERN 1024
#define LIMIT_COMMAND_RULES_TEXT (64 * 1024) /* they travel in one datagram */
#define LIMIT_TASKS 10000           /* that run at once, or wait; of a setting */
#define LIMIT_REMEMBERED 4096       /* settled tasks whose ids are known, with their results */
#define LIMIT_REMEMBERED_BYTES (64 * 1024 * 1024)
#define LIMIT_SPOOL_FILES 200000    /* in its directory; with more of them a runner does not start */
#define LIMIT_DAMAGED 100           /* records set aside; more are removed */
#define LIMIT_STARTING 32           /* tasks whose processes are on their way: more would only keep each other from it */
#define LIMIT_UNSETTLED 64          /* results that are on their way to the hub */
#define LIMIT_REFUSALS (16 * 1024 * 1024) /* bytes of results over what a spool is to hold, of tasks that are refused */
#define LIMIT_OUTPUTS_QUEUED 64     /* pieces of output that wait for the link; one more is not told */
#define LIMIT_LINK_BACKLOG (4 * 1024 * 1024) /* bytes that wait for the hub; then output of tasks is not told any more */
#define LIMIT_ENTRIES 100000        /* of one list or glob */
#define LIMIT_MATCHES 10000         /* of one grep */
#define LIMIT_WALK 1000000          /* files that one glob or grep looks at */
#define LIMIT_SECRET_ENV 32         /* names of variables that hold keys */
#define LIMIT_UPSTREAMS 64          /* that keys of tasks may be bound to */
#define LIMIT_SPOOL (64ULL * 1024 * 1024 * 1024)
#define LIMIT_TASK_BYTES (1024ULL * 1024 * 1024 * 1024) /* memory, output; of a setting */
#define LIMIT_TASK_CPU 1000000      /* thousandths of a processor */
#define LIMIT_TASK_PROCESSES 1000000
#define LIMIT_WALK_DEPTH 128        /* directories within one another */
#define LIMIT_WALK_NAMES (32 * 1024 * 1024) /* of the directories that a walk stands in */
#define LIMIT_GLOB_PATTERN 4096     /* as it is written */
#define LIMIT_GLOB_ALTERNATIVES 256 /* of all patterns of one task, with their braces written out */
#define LIMIT_GLOB_SEGMENTS 60      /* between slashes */
#define LIMIT_EXPRESSION 4096       /* of grep */
#define LIMIT_EXPRESSION_SIZE 5000  /* steps that it becomes, with what is repeated written out */
#define LIMIT_GREP_LINE (1024 * 1024) /* of a line that is searched; the rest of it is passed over, and that is said */
#define LIMIT_GREP_OUTPUT (256 * 1024 * 1024) /* of all that one grep finds */
#define LIMIT_GREP_SHOWN 2000       /* of a line that matches */
#define LIMIT_PROBE_OUTPUT (64 * 1024)
#define LIMIT_RUNNER_STATUS (1024 * 1024)

/* Times: what stands here is the default where a setting exists. */
#define TIMEOUT_HEAD 10000          /* from a head's first byte to its last */
#define TIMEOUT_IDLE 90000          /* keep-alive without a request */
#define TIMEOUT_BODY 60000          /* a request's body without a byte */
#define TIMEOUT_WRITE 60000         /* a peer that takes nothing */
#define TIMEOUT_RESPONSE 60000      /* from the request's last byte to a response head */
#define TIMEOUT_STREAM 3600000      /* a response's body without a byte; generous for server-sent events */
#define TIMEOUT_CONNECT 10000       /* resolve, connect and shake hands, all attempts together */
#define TIMEOUT_ATTEMPT_DELAY 250   /* RFC 8305 §5: before the next address is tried beside the last */
#define TIMEOUT_LINGER 2000         /* a refused client may still send; then it is closed */
#define TIMEOUT_ROLE_START 10000    /* from exec to HELLO */
#define TIMEOUT_ROLE_STOP 2000      /* from the end of its channel to its exit; then SIGKILL */
#define TIMEOUT_SOURCE 30000        /* a secret that does not come */
#define TIMEOUT_COMMAND 10000       /* a command that prints a secret */
#define TIMEOUT_CONTROL 5000        /* a client of the control socket that says or takes nothing; all its further requests together */
#define TIMEOUT_CONTROL_ANSWER 8000 /* a supervisor that does not answer there; idle clients have been dropped by then */
#define TIMEOUT_SCRAPE 10000        /* one who asks for the metrics: to say it, and to take a part of the answer */
#define RESTART_DELAY 20            /* before a role that died at once is started again; then twice as long */
#define RESTART_DELAY_MAX 2000
#define RESTART_SETTLED 10000       /* one that lived so long died for another reason */
#define SPARE_AFTER 50              /* from a loan until a relay for the next is started: its command has begun */
#define TRIM_AFTER 5000             /* a keeper gives back what ended leases took, so long after the first of them */
#define REST_AFTER 100              /* a role gives back what it needs while it works alone, so long after it has */
#define TIMEOUT_AUDIT 1000          /* a lock, a pipe or a journal that is not free for a line */
#define RETRY_AUDIT 1000            /* from one attempt to write the lines that wait to the next */
#define GATHER_ACCOUNTS 2           /* accounts of a busy keeper wait for more, in the kernel, before they are heard */
#define TIMEOUT_MAX (24 * 3600000)  /* of any setting */

#define TIMEOUT_PROBE_SILENCE 90000 /* /probe/ws without a frame */
#define RETRY_ACCESS 100            /* from one attempt to write lines of the access log to the next */
#define ACCESS_TELL 60000           /* from one word about lost ones to the next */
#define TIMEOUT_TUNNEL_GOODBYE 2000 /* for a close frame to leave at the border of a frame */
#define TIMEOUT_HALF_CLOSED 5000    /* a client that has closed its side, without a byte for it from an instance */
#define TIMEOUT_MINT 10000
#define TIMEOUT_DRAIN 30000
#define DRAIN_GRACE 100             /* whoever came, or asked, so lately may be about to ask */
#define TIMEOUT_LOOK 5000           /* an instance that is asked about a session; then the request goes on without */
#define TIMEOUT_EXCHANGE 10000      /* an instance that was given a credential; sooner where response_timeout is */
#define GRACE_MINT 2000             /* after a mint's time, for the supervisor to say how it ended */
#define LIFE_LOOK 5000              /* that an instance's word about a session is good for */
#define LIFE_COOKIE_NAME 60000      /* that an instance's word about its cookie's name is good for */
#define LIFE_UNREACHABLE 10000      /* after a pairing that nobody answered: is somebody there, before the next mint */
#define TIMEOUT_DRAIN_LATE 5000     /* roles that have not ended by then, after a drain's deadline */
#define TIMEOUT_SUCCESSOR 30000     /* from its start until it serves */
#define TABLE_LOOK 60000            /* the table's file is read again after so long, changed or not */
#define LOOP_LOOK 10000             /* so many pairings of one person in that time, and the browser keeps no cookie */
#define LOOP_PAIRINGS 2
#define TIMEOUT_WARM 60000          /* a connection to an instance, or an upstream, that nobody uses */
#define COOKIE_NAMES_LIFE 60000     /* what an instance calls its session's cookie; then it is asked again */
#define TABLE_WAIT 100              /* for a table that another role has already */
#define TALLY_EVERY 1000
#define TIMEOUT_HANDSHAKE 10000     /* a guest's, from its connection on */
#define TIMEOUT_KEYS 10000          /* keys that are fetched, from the name to the last byte */
#define LIFE_ASSERTION 300000       /* that an assertion is believed without being looked at again */
#define ASSERTION_LEEWAY 60         /* seconds that an assertion's clock may be ahead of ours */
#define KEYS_EVERY 600000           /* published keys are fetched again */
#define KEYS_SOONEST 30000          /* from one fetch to the next that a key nobody knows asks for */
#define KEYS_RETRY 5000             /* after a fetch that failed; then after twice as long, up to KEYS_EVERY */
#define KEYS_LIFE (24 * 3600000)    /* of keys that cannot be fetched again */
#define GUEST_LINES_EVERY 10000
#define TIMEOUT_HEALTH 5000         /* an instance that is asked for its health, or whether it is idle */
#define TIMEOUT_WAKE 30000          /* from the start of an instance to its first connection */
#define ACTIVITY_REPORT 5000        /* a dispatcher tells which instances are in use */
#define ACTIVITY_LOST (3 * ACTIVITY_REPORT) /* one that says nothing for so long may be serving anybody */
#define IDLE_LOOK 1000              /* from one look at which instances are idle to the next */
#define WAKE_LOOK 100               /* from one attempt to reach an instance that starts to the next */
#define WAKE_RETRY 5000             /* after a start that failed, before the next */
#define WAKE_FRESH 1000             /* an instance that has just been reached is not started again at once */
#define HEALTH_USED (3600 * 1000)   /* an instance is asked for its health so long after its last use */
#define HEALTH_SOONEST 2000         /* from one round of questions to the next */
#define TIMEOUT_STOP 90000          /* of an instance: systemd's own default */
#define ACTIVITY_AGAIN 30000        /* an instance that has said it is busy is not asked again at once */
#define HEALTH_EVERY 30000          /* while the metrics are served */
#define BUS_RETRY 1000              /* after systemd's bus could not be reached */

#define HEARTBEAT_EVERY 30000
#define TIMEOUT_WELCOME 5000
#define TIMEOUT_HUB_SILENCE 60000   /* a hub without any frame; asked by a ping at half of it */
#define TIMEOUT_HUB_CONNECT 30000   /* from the name to the answer to the handshake, a proxy's included */
#define TIMEOUT_HUB_WRITE 30000     /* a hub that takes nothing */
#define HUB_LINES_EVERY 10000
#define RETRY_HUB 1000              /* after a connection that failed or broke; then after twice as long, up to */
#define RETRY_HUB_MAX 300000
#define HUB_SETTLED 30000           /* a connection that lived so long: the next wait is short again */
#define TIMEOUT_CLI_PROBE 5000
#define TIMEOUT_TASK 600000
#define TIMEOUT_TASK_MAX (24 * 3600000)
#define TIMEOUT_GRACE 30000         /* from the word that the runner ends to the end of its tasks */
#define TIMEOUT_TASK_TERM 5000      /* from SIGTERM to SIGKILL */
#define GRACE_LEFT_BEHIND 200       /* what a command has left running, before it is ended too */
#define TIMEOUT_TASK_KILL 5000      /* from SIGKILL on; what is left then cannot be ended by us */
#define KILL_EVERY 20               /* from one look at what is left of a command to the next, while it is ended */
#define TIMEOUT_FILES 60000         /* an operation on files */
#define TIMEOUT_SETTLE 10000        /* at the end, for the hub to take results */
#define OUTPUT_EVERY 50             /* from one task.output to the next of a stream */
#define SPOOL_RETRY 1000            /* after a result that could not be written */
#define TIMEOUT_ORPHAN_TERM 2000    /* a task without its supervisor: from SIGTERM to SIGKILL */

#define TIMEOUT_NAMESPACE 10000     /* for the command's own namespaces and its doors in them to be made */
#define TIMEOUT_CALL 15000          /* from a call to its stream or its way, handshake included */
#define KEEPALIVE_CALLER 15000      /* a client at a door that says nothing is asked whether it is there */
#define RETRY_CALLERS 100           /* when there was no descriptor or no memory left for one who connects */
#define LIMIT_REAPED 4096           /* orphans that have ended and are reaped at once, by the next look the rest */
#define REAP_AFTER 20               /* an orphan of the command's that has ended is reaped after twice as long */
#define LIFE_AUTHORITY (30LL * 24 * 3600000) /* of one made for leases without an end */
#define GRACE_AUTHORITY 3600000     /* after the longest lease: to hear from us that it is over, and for a reload */

/* Secrets that are had again. */
#define REFRESH_AHEAD 30000         /* before it expires; or a tenth of its life, when that is more */
#define REFRESH_SOONEST 2000        /* from one run of a command to the next that an expiry asks for */
#define RETRY_SOURCE 5000           /* after a failure; then after twice as long, up to */
#define RETRY_SOURCE_MAX 300000
#define CLOCK_LOOK 30000            /* how late the end of a sleep may be noticed */
#define FILE_LOOK_FIRST 200         /* a watch that is as old as that asks inotify */
#define FILE_LOOK_SOON 10           /* after inotify has spoken: a change is rarely a single event */
#define FILE_LOOK_LOST 5000         /* at a path whose directory is not there */
#define FILE_LOOK_ANYWAY 30000      /* for changes that inotify does not tell */
