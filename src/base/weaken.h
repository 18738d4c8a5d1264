/*
 * Defences that a test build (-Dweaken=true) can leave out, one at a time, to show that the tests of each fail without
 * it. Which one is left out is told by a byte in the program files: tests/redteam/show-teeth sets it in copies of them.
 * In every other build there is no such byte, WEAKENED() is the constant false, and no code remains of it;
 * tests/check-hardened looks.
 */
#pragma once

#include <stdbool.h>

/* In this order, by these names; what follows each name is what holds no more without that defence. */
enum weakened_defence {
    WEAKEN_NONE,
    WEAKEN_DUMPABLE,    /* our processes cannot be read or traced */
    WEAKEN_CORE,        /* no core of ours is written: without the limits and without the above */
    WEAKEN_COPY,        /* memory that was open for a moment is not the memory that holds the key */
    WEAKEN_TRACED,      /* a role that is traced does not run */
    WEAKEN_CAPS,        /* a root command loses the capabilities that undo the rest */
    WEAKEN_CLOSE_RANGE, /* no descriptor but the leases' goes into the command, none of a stranger's into a role */
    WEAKEN_ENV,         /* a secret's variable leaves the environment */
    WEAKEN_DOOR,        /* a malformed dial is refused */
    WEAKEN_ASKER,       /* the audit names who asked, by the kernel's word */
    WEAKEN_END,         /* with the command its leases end, whoever holds them */
    WEAKEN_STREAMS,     /* a lease has so many streams open and no more */
    WEAKEN_DIALS,       /* so many dials wait for their answer and no more */
    WEAKEN_LEAK,        /* a stream that is over leaves nothing behind */
    WEAKEN_LOST_FD,     /* who runs out of descriptors refuses, and goes on */
    WEAKEN_TIMEOUT,     /* a slow client is not waited for */
    WEAKEN_HEAD,        /* a head has a length */
    WEAKEN_MEMORY,      /* no buffer without a cap: what is not taken stops the sender */
    WEAKEN_QUERY,       /* a parameter twice or in disguise is refused */
    WEAKEN_FIELDS,      /* fields that compete with ours are taken out */
    WEAKEN_TARGET,      /* a target has no authority of its own */
    WEAKEN_PATH,        /* a path is matched as written and as servers read it */
    WEAKEN_SPLIT,       /* no CR, LF or NUL in a value, nor escaped in a target */
    WEAKEN_FRAMING,     /* no request has two framings */
    WEAKEN_CHUNKS,      /* chunks end as they must */
    WEAKEN_MASK,        /* a response does not say the key */
    WEAKEN_PIECES,      /* a key is found across pieces */
    WEAKEN_ORACLE,      /* what is held back says nothing of the key */
    WEAKEN_COOKIES,     /* a response sets no cookie */
    WEAKEN_HIDING,      /* no response comes compressed or in parts */
    WEAKEN_ADDRESS,     /* a name may not stand for a private address */
    WEAKEN_TTL,         /* a lease has an end */
    WEAKEN_BUDGET,      /* a lease has a budget */
    WEAKEN_SPENT,       /* a crash is no way to a fresh budget */
    WEAKEN_ENDED,       /* a crash brings no lease back to life */
    WEAKEN_CUT,         /* what runs on a lease that ended is cut */
    WEAKEN_ESCAPE,      /* an audit line holds escaped text */
    WEAKEN_LOG,         /* `credfd log` prints no control bytes */
    WEAKEN_CONTROL,     /* the control socket serves its user and root */
    WEAKEN_GARBAGE,     /* who sends it garbage is dropped */
    WEAKEN_FRONT,       /* whoever names a person shows that he may */
    WEAKEN_IDENTITY,    /* a person is named once, and in one way */
    WEAKEN_DOMAIN,      /* a name of a foreign domain is nobody's */
    WEAKEN_FORWARDED,   /* what a browser says of itself reaches no instance */
    WEAKEN_RATE,        /* so many sessions are made of one person, and no more */
    WEAKEN_ONE_MINT,    /* and one at a time */
    WEAKEN_NAVIGATION,  /* and for a document that somebody opens */
    WEAKEN_ERRAND,      /* a command ends with all that it started */
    WEAKEN_OUTPUT,      /* what a command prints has a length */
    WEAKEN_LOOP,        /* nobody is sent round in a circle */
    WEAKEN_BACK,        /* the way back is on this origin */
    WEAKEN_REMOVED,     /* who is taken out of the table keeps nothing open */
    WEAKEN_ADMIN,       /* who is there is shown to administrators alone */
    WEAKEN_HTML,        /* on a page, what somebody said is text */
    WEAKEN_ROOM,        /* who only sits there makes room */
    WEAKEN_PERMIT,      /* a role that breaks the rules of its channel is ended */
    WEAKEN_SANDBOX,     /* a role can do what its work needs, and nothing else */
    WEAKEN_FOREIGN,     /* another site's page does nothing in a person's name */
    WEAKEN_RULES,       /* a command that no rule allows does not run */
    WEAKEN_BENEATH,     /* no path of the hub's leads out of the workspace */
    WEAKEN_PRINTED,     /* what a command prints does not say the key in its environment */
    WEAKEN_TWICE,       /* a task that comes twice runs once */
    WEAKEN_UPSTREAMS,   /* a hub sends keys only where the runner lets it */
    WEAKEN_TREE,        /* a task ends with all that it started */
    WEAKEN_LENT,        /* a task's lease ends with it, whoever holds it */
    WEAKEN_NETWORK,     /* a command has no network but the doors */
    WEAKEN_VIEW,        /* what a command must not see is covered */
    WEAKEN_CALLER,      /* who connects to a door without a namespace is of the command */
    WEAKEN_PREFIX,      /* and knows its path */
    WEAKEN_AUTHORITY,   /* a request through a door goes to that door's upstream */
    WEAKEN_CONSTRAINT,  /* the authority's certificates are good for the leases' hosts alone */
    WEAKEN_HOSTS,       /* no way leads to a host that nobody allowed */
    WEAKEN_HELLO,       /* a tunnel is TLS, to the host that was asked for */
    WEAKEN_PLACEHOLDER, /* a placeholder leaves to its own upstream, in the key's place */
    WEAKEN_SOCKET,      /* a WebSocket does not say the key */
    WEAKEN_HELLOS,      /* what waits for the rest of a ClientHello is bounded for all together */
};

#ifdef CREDFD_WEAKEN
struct weakened {
    char mark[sizeof("credfd weakened:")]; /* by which the byte behind it is found */
    unsigned char defence;
};

/* Volatile: what stands here when it is compiled is not what will stand here. */
extern const volatile struct weakened weakened;

#define WEAKENED(name) (weakened.defence == WEAKEN_##name)
#else
#define WEAKENED(name) false
#endif
